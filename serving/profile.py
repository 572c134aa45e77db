"""What the bank's record says of customers who are on the line; no model touches any of it.

Shown are fields of class C1, and of C2 only what who talks cannot do without: the age as a band, the
occupation, and what lies at the bank. Gender, education, income and household are not shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from features.selling.expressions import Facts
from features.selling.segments import segment_codes, tier_codes
from features.vocabulary import Catalogue, Tier
from serving.columns import Columns, Floats

__all__ = ["AGES", "Complaints", "Contacts", "Held", "Record", "Relation", "Who", "record_of", "relations"]

AGES = (0, 18, 26, 35, 45, 55, 65, 75)
"""Lower ends of the age bands; the last is open."""


@dataclass(frozen=True)
class Who:
    """Who the customer is; null where the bank does not know it. Only a person has an age band."""

    kind: str | None
    age_band: str | None
    region: str | None
    occupation: str | None
    tenure_days: int | None
    preferred_channel: str | None
    usual_hours: str | None
    manager_id: str | None
    may_be_approached: bool | None
    may_be_profiled: bool | None


@dataclass(frozen=True)
class Held:
    """One product that is held, how often."""

    product: str
    label: str
    count: int


@dataclass(frozen=True)
class Contacts:
    """When the bank and the customer last met, and what the bank offered; days before the features."""

    days_since_offer: int | None
    offers_30d: int | None
    offers_365d: int | None
    refused_180d: int | None
    calls_90d: int | None
    visits_90d: int | None
    days_since_session: int | None


@dataclass(frozen=True)
class Complaints:
    """What the customer complained about, and what surveys say: ratings from 0 to 10."""

    open: int | None
    oldest_open_days: int | None
    days_since_last: int | None
    last_180d: int | None
    last_365d: int | None
    rating: float | None
    rating_change: float | None
    days_since_rating: int | None


@dataclass(frozen=True)
class Record:
    """What the bank's record says of one customer.

    balance, loans_outstanding
        In major units of the reporting currency; loans count in the second alone.
    oldest_holding_days, newest_holding_days
        Since the oldest holding that is open, and the latest of any, began.
    """

    who: Who
    holdings: tuple[Held, ...]
    balance: float | None
    loans_outstanding: float | None
    oldest_holding_days: int | None
    newest_holding_days: int | None
    contacts: Contacts
    complaints: Complaints


@dataclass(frozen=True)
class Relation:
    """How the bank sees a customer who lets it: segment, value tier, and stage of the relation.

    service, managers
        Who serves customers of that tier: `self_service`, `one_manager`, or a `team` of so many.
    """

    segment: str | None
    tier: str | None
    service: str | None
    managers: int | None
    stage: str | None


def record_of(columns: Columns, row: int, catalogue: Catalogue) -> Record:
    """The record of one row of features; what is stale or missing is null."""
    facts = _row(columns, row)
    return Record(
        who=_who(facts),
        holdings=tuple(
            Held(product.name, product.label, count)
            for product in catalogue.products.values()
            if (count := facts.get(f"holds_{product.name}"))
        ),
        balance=_major(facts.get("balance_total")),
        loans_outstanding=_major(facts.get("loan_outstanding")),
        oldest_holding_days=facts.get("oldest_open_days"),
        newest_holding_days=facts.get("days_since_opening"),
        contacts=_contacts(facts),
        complaints=_complaints(facts),
    )


def relations(columns: Columns, value: Floats, catalogue: Catalogue) -> list[Relation]:
    """The relation of each row of features and scores.

    `value` is the expected one of twelve months, (n,), NaN where unknown.

    Raises
    ------
    InputError
        If a column that a segment names is missing.
    """
    segments = segment_codes(Facts(columns), catalogue).tolist()
    tiers = tier_codes(value, catalogue).tolist()
    found = []
    for row, (segment, code) in enumerate(zip(segments, tiers, strict=True)):
        tier: Tier | None = catalogue.tiers[code] if code >= 0 else None
        found.append(
            Relation(
                segment=catalogue.segments[segment].name if segment >= 0 else None,
                tier=tier.name if tier else None,
                service=tier.service if tier else None,
                managers=tier.managers if tier else None,
                stage=_row(columns, row).get("lifecycle_stage"),
            )
        )
    return found


def _row(columns: Columns, row: int) -> dict[str, Any]:
    return {name: values[row] for name, values in columns.items()}


def _who(facts: Mapping[str, Any]) -> Who:
    return Who(
        kind=facts.get("kind"),
        # A company's age is that of its founding.
        age_band=_band(facts.get("age_years")) if facts.get("kind") == "person" else None,
        region=facts.get("region"),
        occupation=facts.get("occupation"),
        tenure_days=facts.get("tenure_days"),
        preferred_channel=facts.get("preferred_channel"),
        usual_hours=facts.get("best_hours"),
        manager_id=facts.get("manager_id"),
        may_be_approached=_yes(facts.get("consent_marketing")),
        may_be_profiled=_yes(facts.get("consent_profiling")),
    )


def _contacts(facts: Mapping[str, Any]) -> Contacts:
    return Contacts(
        days_since_offer=facts.get("days_since_contact"),
        offers_30d=facts.get("contacts_30d"),
        offers_365d=facts.get("contacts_365d"),
        refused_180d=facts.get("refusals_180d"),
        calls_90d=facts.get("calls_90d"),
        visits_90d=facts.get("visits_90d"),
        days_since_session=facts.get("days_since_session"),
    )


def _complaints(facts: Mapping[str, Any]) -> Complaints:
    return Complaints(
        open=facts.get("complaints_open"),
        oldest_open_days=facts.get("complaint_open_days"),
        days_since_last=facts.get("days_since_complaint"),
        last_180d=facts.get("complaints_180d"),
        last_365d=facts.get("complaints_365d"),
        rating=facts.get("rating_last"),
        rating_change=facts.get("rating_change"),
        days_since_rating=facts.get("days_since_survey"),
    )


def _band(age: int | None) -> str | None:
    """The band of an age in completed years.

    >>> _band(17), _band(18), _band(80), _band(None)
    ('0-17', '18-25', '75+', None)
    """
    if age is None:
        return None
    bands = (f"{low}-{high - 1}" for low, high in pairwise(AGES) if low <= age < high)
    return next(bands, f"{AGES[-1]}+")


def _major(cents: int | None) -> float | None:
    return None if cents is None else cents / 100


def _yes(flag: int | None) -> bool | None:
    return None if flag is None else flag == 1
