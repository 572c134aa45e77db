"""The pure parts of a target list: the channel, what an offer is worth, tier, segment and arm."""

import hashlib
from dataclasses import dataclass

import numpy as np

from features.vocabulary import Catalogue, Product, Segment
from serving.columns import Columns, Floats, length, numbers, words
from serving.decisions import CONTROL, TARGET

__all__ = ["Ranked", "arm_of", "best_channels", "expected_values", "rank", "segments", "tiers"]


@dataclass(frozen=True)
class Ranked:
    """Who is on a list: row numbers by falling expected value, and how many had nothing to gain."""

    rows: list[int]
    without_gain: int
    not_selected: int


def best_channels(columns: Columns, catalogue: Catalogue) -> list[str]:
    """The channel to approach each customer by, "" where none fits.

    The stated preference where the bank contacts by it; else the one used most in the last 180
    days, the cheaper one where two are even.
    """
    cheapest_first = sorted(catalogue.channels.values(), key=lambda c: (c.cost, c.name))
    used = np.nan_to_num(np.array([numbers(columns, f"used_{c.name}_180d") for c in cheapest_first]))
    most = used.argmax(axis=0)
    return [
        stated
        if stated in catalogue.channels
        else cheapest_first[most[row]].name
        if used[most[row], row] > 0
        else ""
        for row, stated in enumerate(words(columns, "preferred_channel"))
    ]


def expected_values(
    probability: Floats, channels: list[str], product: Product, catalogue: Catalogue
) -> Floats:
    """Probability x margin of a new holding - cost of the contact, in major units."""
    cost = np.array([catalogue.channels[c].cost if c else 0.0 for c in channels])
    return np.asarray(probability * product.takeup_margin - cost, dtype=np.float64)


def rank(expected: Floats, customer_ids: list[str], candidates: list[int], size: int) -> Ranked:
    """The `size` candidates (row numbers) with the highest expected value above zero.

    Even values go by customer_id, so the same input gives the same list.
    """
    gaining = [row for row in candidates if expected[row] > 0.0]
    ordered = sorted(gaining, key=lambda row: (-expected[row], customer_ids[row]))
    return Ranked(ordered[:size], len(candidates) - len(gaining), max(0, len(gaining) - size))


def tiers(value: Floats, catalogue: Catalogue) -> list[str]:
    """The value tier of each customer by expected value, "" where it is not known."""
    return [next((t.name for t in catalogue.tiers if v >= t.min_value), "") for v in value]


def segments(columns: Columns, catalogue: Catalogue) -> list[str]:
    """The first segment of the catalogue that each customer fits, "" where none does."""
    ages, kinds = numbers(columns, "age_years"), words(columns, "kind")
    return [
        next((s.name for s in catalogue.segments if _fits(s, kinds[row], ages[row])), "")
        for row in range(length(columns))
    ]


def arm_of(salt: str, list_id: str, customer_id: str, control_share: float) -> str:
    """Draw a customer's arm on one list by a salted hash: nobody can choose it, anyone can repeat it."""
    digest = hashlib.sha256("\x1f".join((salt, list_id, customer_id)).encode()).digest()
    return CONTROL if int.from_bytes(digest[:8], "big") / 2.0**64 < control_share else TARGET


def _fits(segment: Segment, kind: str, age: float) -> bool:
    bounded = segment.min_age > 0 or segment.max_age < 200
    return kind == segment.kind and (not bounded or segment.min_age <= age < segment.max_age)
