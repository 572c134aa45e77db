"""What the decision log says about decisions: one record for each, whatever it was made for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.selling.offers import Offer, Option
from features.vocabulary import Catalogue
from serving.deciding.decide import Decided
from serving.deciding.worth import Effects
from serving.log.decisions import LEAVING_DAYS, WINDOW_DAYS, Decision
from serving.policy import Policy, Removed

__all__ = ["Occasion", "records", "removed_of", "removed_words", "terms_of", "window_of"]


@dataclass(frozen=True)
class Occasion:
    """What decisions made together have in common; the fields are those of `Decision`."""

    campaign: str
    kind: str
    models: Mapping[str, str]
    feature_generation: str
    prices: str
    as_of: str
    decided_at: str
    window_days: int = WINDOW_DAYS


def records(
    occasion: Occasion,
    decision_ids: Sequence[str],
    customer_ids: Sequence[str],
    decided: Decided,
    effects: Effects,
    worth: NDArray[np.float64],
    catalogue: Catalogue,
    policy: Policy,
    features: Sequence[str] | None = None,
    ranks: Sequence[int] | None = None,
    arms: Sequence[tuple[str, float]] | None = None,
    asked_by: Sequence[str] | None = None,
) -> list[Decision]:
    """One record for each of n customers, also for those to whom nothing is offered.

    A value that is not known, as that of an option drawn for
    exploration whose product has no model yet, is recorded as 0, and its chance and uplift as none.

    Parameters
    ----------
    decision_ids, customer_ids
        Each of length n.
    worth
        (n,), the score `value_expected`, NaN where there is none.
    features
        By customer the JSON of `Decision.features`; none where all are the generation's own.
    ranks
        By customer the place on a list; none where there is no order.
    arms
        Names and shares of the arms that `decided` numbers; the policy's by what they do, if not given.
    asked_by
        By customer who asked; nobody if not given.
    """
    removed = removed_words(decided.weighed.removed, [option.name for option in catalogue.options])
    common: dict[str, Any] = {
        "campaign": occasion.campaign,
        "kind": occasion.kind,
        "currency": catalogue.currency,
        "models": " ".join(occasion.models.values()),
        "catalogue_version": catalogue.version,
        "policy_version": policy.version,
        "feature_generation": occasion.feature_generation,
        "prices": occasion.prices,
        "as_of": occasion.as_of,
        "decided_at": occasion.decided_at,
        "window_days": occasion.window_days,
    }
    drawn = arms or [(arm.what, arm.share) for arm in policy.arms]
    names = ("", *(option.name for option in catalogue.options))
    found = []
    for row, chosen in enumerate(decided.option.tolist()):
        arm, share = drawn[int(decided.arm[row])]
        found.append(
            Decision(
                **common,
                **_of_option(row, chosen, decided, effects, catalogue),
                decision_id=decision_ids[row],
                customer_id=customer_ids[row],
                rank=ranks[row] if ranks else 0,
                arm=arm,
                arm_probability=share,
                option=names[chosen + 1],
                action=names[int(decided.action[row]) + 1],
                value=_known(float(worth[row])),
                probability=float(decided.probability[row]),
                removed=removed[row],
                features=features[row] if features else "{}",
                asked_by=asked_by[row] if asked_by else "",
            )
        )
    return found


def window_of(options: Iterable[Option]) -> int:
    """For how many days outcomes count where these may be offered: for every decision the same.

    A window of each action's own would give retention offers twice the time to see customers leave that
    doing nothing has, and no two arms or actions could be compared.
    """
    return LEAVING_DAYS if any(option.kind == "retention" for option in options) else WINDOW_DAYS


def removed_words(removed: Removed, options: Sequence[str]) -> list[str]:
    """For each customer the JSON of rule -> names of the options that it removed."""
    names = tuple(options)
    return [_pattern(codes.tobytes(), removed.rules, names) for codes in removed.codes]


def terms_of(offer: Offer) -> str:
    """The personal price that an offer grants, with the rule that justifies it; "" for none."""
    terms = offer.terms
    if terms is None:
        return ""
    whom = f", for {' and '.join(terms.tiers)} customers" if terms.tiers else ""
    return f"{terms.share:.0%} of the fee waived for {terms.months} months{whom}: {terms.because}"


@lru_cache(maxsize=10_000)
def removed_of(text: str) -> dict[str, list[str]]:
    """What `Decision.removed` says; it is kept for the next one who is told the same: not to be changed."""
    found: dict[str, list[str]] = json.loads(text)
    return found


@lru_cache(maxsize=10_000)
def _pattern(codes: bytes, rules: tuple[str, ...], options: tuple[str, ...]) -> str:
    by_rule: dict[str, list[str]] = {}
    for name, code in zip(options, codes, strict=True):
        if code:
            by_rule.setdefault(rules[code], []).append(name)
    return json.dumps(by_rule, separators=(",", ":"))


def _of_option(
    row: int, place: int, decided: Decided, effects: Effects, catalogue: Catalogue
) -> dict[str, Any]:
    if place < 0:
        nothing = dict.fromkeys(("expected_value", "stake", "contact_cost"), 0.0)
        return {**dict.fromkeys(("offer", "product", "channel", "basis"), ""), **nothing}
    option: Option = catalogue.options[place]
    alone, contacted = float(effects.alone[row, place]), float(effects.contacted[row, place])
    change = alone - contacted if option.kind == "retention" else contacted - alone
    value, stake = float(decided.weighed.values[row, place]), float(effects.stake[row, place])
    return {
        "offer": option.offer,
        "product": option.product,
        "channel": option.channel,
        "chance": _known(contacted),
        "uplift": _known(change),
        "expected_value": _known(value) or 0.0,
        "stake": _known(stake) or 0.0,
        "contact_cost": option.cost,
        "incentive": option.incentive,
        "basis": effects.basis[place],
        "terms": terms_of(catalogue.offers[option.offer]),
    }


def _known(number: float) -> float | None:
    return None if np.isnan(number) else number
