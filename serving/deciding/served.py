"""Who serves a customer in person, by the service of the customer's value tier."""

from collections.abc import Sequence

import numpy as np

from features.selling.segments import tier_codes
from features.vocabulary import Catalogue
from serving.columns import Floats

__all__ = ["served_by", "team_sizes"]


def served_by(managers: Sequence[str], value: Floats, catalogue: Catalogue) -> list[str]:
    """The manager whose time a contact takes, "" for none: customers of a self-service tier take nobody's.

    Parameters
    ----------
    managers
        Each customer's relationship manager, "" for none; n names.
    value
        (n,), expected value of twelve months; where it is not known, the manager stays the customer's.
    """
    if not any(managers):
        return list(managers)
    alone = np.array([tier.service == "self_service" for tier in catalogue.tiers] + [False])
    served = ~alone[tier_codes(value, catalogue)]
    return [name if own else "" for name, own in zip(managers, served.tolist(), strict=True)]


def team_sizes(
    named: Sequence[str], value: Floats, known: Sequence[str], catalogue: Catalogue
) -> list[int]:
    """How many share the work of each known manager, from 1: the largest team among its customers' tiers.

    Parameters
    ----------
    named
        Each customer's manager by `served_by`.
    """
    sizes = np.array([max(tier.managers, 1) for tier in catalogue.tiers] + [1])
    found = dict.fromkeys(known, 1)
    for name, size in zip(named, sizes[tier_codes(value, catalogue)].tolist(), strict=True):
        if name in found:
            found[name] = max(found[name], size)
    return list(found.values())
