"""Decisions as rows of a list: with the offer in words, the reasons, and who the customer is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.selling.expressions import Facts
from features.selling.segments import segment_codes, tier_codes
from features.vocabulary import Catalogue
from serving.columns import from_frame, words
from serving.deciding.served import served_by
from serving.lists.export import ListRow
from serving.lists.sources import Part, Sources
from serving.log.decisions import CONTROL, Decision

__all__ = ["list_rows", "segments", "served", "tiers"]


def list_rows(
    sources: Sources, part: Part, rows: Sequence[int], decisions: Sequence[Decision]
) -> list[ListRow]:
    """One row for each decision about customers `rows` of a part; who is held out is in the control."""
    because = _because(sources, part, rows, decisions)
    segment, tier = segments(part, sources.catalogue), tiers(part, sources.catalogue)
    managers = words(part.columns, "manager_id")
    return [
        ListRow(
            list_id=said.campaign,
            rank=said.rank,
            customer_id=said.customer_id,
            arm=said.arm if said.action else CONTROL,
            offer=sources.catalogue.offers[said.offer].label,
            product=said.product,
            channel=said.channel,
            probability=said.chance,
            expected_value=said.expected_value,
            currency=said.currency,
            reasons=reasons,
            tier=tier[row],
            segment=segment[row],
            manager_id=managers[row],
            as_of=said.as_of,
            uplift=said.uplift,
            terms=said.terms,
        )
        for row, said, reasons in zip(rows, decisions, because, strict=True)
    ]


def tiers(part: Part, catalogue: Catalogue) -> list[str]:
    """The value tier of each customer, "" where the value is not known."""
    codes = tier_codes(part.scores["value_expected"], catalogue)
    return _named(codes, [tier.name for tier in catalogue.tiers])


def served(part: Part, catalogue: Catalogue) -> list[str]:
    """The manager whose time a contact with each customer takes, "" for none."""
    return served_by(words(part.columns, "manager_id"), part.scores["value_expected"], catalogue)


def segments(part: Part, catalogue: Catalogue) -> list[str]:
    """The first segment of the catalogue that each customer fits, "" where none does."""
    codes = segment_codes(Facts(part.columns), catalogue)
    return _named(codes, [segment.name for segment in catalogue.segments])


def _because(
    sources: Sources, part: Part, rows: Sequence[int], decisions: Sequence[Decision]
) -> list[tuple[str, ...]]:
    """Why each customer: of a retention offer what speaks for leaving, else for the product.

    An offer that is the same for everybody has none: no model looked.
    """
    found: list[tuple[str, ...]] = [()] * len(rows)
    heads = [_head(sources, said) for said in decisions]
    for head in sorted(set(heads) - {("", "")}):
        places = [place for place, other in enumerate(heads) if other == head]
        columns = from_frame(part.frame.iloc[[rows[place] for place in places]])
        for place, reasons in zip(places, sources.scorer.because(columns, *head), strict=True):
            found[place] = tuple(reason.text for reason in reasons)
    return found


def _head(sources: Sources, said: Decision) -> tuple[str, str]:
    kind = sources.catalogue.offers[said.offer].kind
    if kind == "retention":
        return "churn", "churn"
    scored = kind == "cross_sell" and said.product in sources.scorer.products
    return ("propensity", said.product) if scored else ("", "")


def _named(codes: NDArray[np.int64], names: list[str]) -> list[str]:
    return [names[code] if code >= 0 else "" for code in codes.tolist()]
