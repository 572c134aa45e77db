"""Who the customer is: kind, age, income, region, consents, and how long they have been here."""

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field
from features.history.contract import CUSTOMERS
from features.history.cut import Cut
from features.vocabulary import CHANNELS

__all__ = ["FAMILY"]


def _profile(cut: Cut, spine: ir.Table) -> ir.Table:
    customers = cut.customers.semi_join(spine, "customer_id")
    as_of = cut.as_of
    born = customers.birth_date
    # Completed years, by calendar: a birthday on 29 February counts on 1 March.
    had_birthday = (born.month() < as_of.month) | (
        (born.month() == as_of.month) & (born.day() <= as_of.day)
    )
    return customers.select(
        "customer_id",
        "kind",
        "occupation",
        "education",
        "region",
        "gender",
        "manager_id",
        "household_id",
        "preferred_channel",
        age_years=as_of.year - born.year() - had_birthday.ifelse(0, 1),
        income_month=customers.income,
        tenure_days=cut.days_since(customers.joined_at),
        has_manager=customers.manager_id.notnull().ifelse(1, 0),
        in_household=customers.household_id.notnull().ifelse(1, 0),
        consent_marketing=customers.consent_marketing.ifelse(1, 0),
        consent_profiling=customers.consent_profiling.ifelse(1, 0),
        prefers_digital=customers.preferred_channel.isin(["app", "web", "email"])
        .fill_null(ibis.literal(False))
        .ifelse(1, 0),
    )


FAMILY = Family(
    "profile",
    "Who the customer is",
    reads=("customers",),
    expressed=(
        Field(
            *("kind", "string", "word", "natural person or business", "Kind of customer"),
            null="null",
            words=CUSTOMERS.column("kind").allowed,
        ),
        Field("occupation", "string", "word", "occupation or line of business", "Occupation", "C2", "null"),
        Field("education", "string", "word", "highest education", "Education", "C2", "null"),
        Field("region", "string", "word", "region of residence", "Region", null="null"),
        Field("age_years", "int64", "years", "completed years of age", "Age", "C2", "null", protected=True),
        Field("income_month", "int64", "cents", "declared income a month", "Declared income", "C2", "null"),
        Field(
            "tenure_days", "int64", "days", "since the relation began", "Time with the bank", null="null"
        ),
        Field("has_manager", "int64", "0/1", "has a relationship manager", "Has a manager"),
        Field("in_household", "int64", "0/1", "belongs to a known household", "In a household"),
        Field(
            "prefers_digital", "int64", "0/1", "states a digital channel as preference", "Prefers digital"
        ),
        Field("gender", "string", "word", "gender", "Gender", "C2", "null", "decision", protected=True),
        Field("manager_id", "string", "id", "relationship manager", "Manager", "C1", "null", "decision"),
        Field("household_id", "string", "id", "household", "Household", "C2", "null", "decision"),
        Field(
            *("preferred_channel", "string", "word", "stated preference", "Preferred channel"),
            *("C1", "null", "decision"),
            words=CHANNELS,
        ),
        Field(
            *("consent_marketing", "int64", "0/1", "may be approached with offers", "Marketing consent"),
            use="decision",
        ),
        Field(
            *("consent_profiling", "int64", "0/1", "may be scored by models", "Profiling consent"),
            use="decision",
        ),
    ),
    expression=_profile,
)
