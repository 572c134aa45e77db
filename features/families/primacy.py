"""Is this the customer's main bank, and is that ending: salary, what it feeds, and what still comes.

A main bank receives the pay, carries the standing orders and the household's bills, and is used
from day to day. When these move, the customer has moved, long before an account is closed.
"""

from functools import reduce
from itertools import pairwise
from operator import add

import ibis
import ibis.expr.types as ir

from features.families.activity import COMPARED, of_kind
from features.families.base import Family, Field
from features.families.parts import flag, number, ratio, total

__all__ = ["FAMILY", "GRACE_DAYS", "STILL_COMING_DAYS"]

STILL_COMING_DAYS = 45
"""A monthly payment that is older has missed its date."""

GRACE_DAYS = 3
"""Weekends and holidays move a pay day."""

_STREAMS = ("income", "orders", "household")


def _sum(parts: list[ir.Value]) -> ir.Value:
    return reduce(add, parts)


def _months_with_salary(t: ir.Table) -> ir.Value:
    upto = [t[f"income_sum_{m}m"] for m in range(1, 7)]
    each = [upto[0], *(later - earlier for earlier, later in pairwise(upto))]
    return _sum([flag(paid > 0) for paid in each])


def _overdue(t: ir.Table) -> ir.Value:
    """Days beyond the usual distance of the year's salaries; null with fewer than three of them."""
    paid = (t.income_count_365d >= 3).ifelse(t.income_count_365d, ibis.null("int64"))
    late = t.days_since_income - (365 - t.days_since_income) // paid - GRACE_DAYS
    return (late < 0).ifelse(0, late)


def _coming(t: ir.Table, stream: str) -> ir.Value:
    return flag(t[f"days_since_{stream}"] <= STILL_COMING_DAYS)


def _came(t: ir.Table, stream: str) -> ir.Value:
    """It came in the fourth to sixth month back."""
    return flag(t[f"{stream}_sum_6m"] != t[f"{stream}_sum_3m"])


def _score(t: ir.Table) -> ir.Value:
    signs = [
        flag(_months_with_salary(t) >= 5),
        _coming(t, "orders"),
        _coming(t, "household"),
        flag(t.card_count_90d >= 3),
        flag(t.sessions_30d > 0),
    ]
    return _sum(signs).cast("float64") / len(signs)


def _ending(t: ir.Table) -> ir.Value:
    before = _sum([_came(t, stream) for stream in _STREAMS])
    lost = _sum([_came(t, stream) * (1 - _coming(t, stream)) for stream in _STREAMS])
    return flag((before > 0) & (lost * 2 >= before))


FAMILY = Family(
    "primacy",
    "Whether this is the main bank",
    windows=(
        *(total("income", *COMPARED["income"], months=m) for m in (1, 2, 4, 5)),
        number(
            *("income_count_365d", "salaries and pensions", "Salaries and pensions (number)"),
            *(of_kind("income"), 365, "transactions"),
        ),
    ),
    derived=(
        (
            Field(
                *(
                    "months_with_salary_6m",
                    "int64",
                    "count",
                    "months with salary or pension, of the last 6",
                ),
                "Months with salary, of the last 6",
            ),
            _months_with_salary,
        ),
        (
            Field(
                *("salary_overdue_days", "int64", "days"),
                f"beyond the year's usual distance of salaries and {GRACE_DAYS} days' grace; "
                "null with fewer than 3 in a year",
                "Salary overdue",
                null="null",
            ),
            _overdue,
        ),
        (
            Field(
                *("income_arrival_share", "float64", "ratio"),
                "salary and pension of 3 calendar months to the declared income of 3",
                "Declared income that arrives here",
                *("C2", "null"),
            ),
            lambda t: ratio(t.income_sum_3m, t.income_month * 3),
        ),
        (
            Field(
                *("balance_to_income", "float64", "ratio", "balance to the declared income of a month"),
                *("Balance against a month's income", "C2", "null"),
            ),
            lambda t: ratio(t.balance_total, t.income_month),
        ),
        (
            Field(
                *(
                    "loan_to_income",
                    "float64",
                    "ratio",
                    "outstanding loans to the declared income of a month",
                ),
                *("Outstanding loans against a month's income", "C2", "null"),
            ),
            lambda t: ratio(t.loan_outstanding, t.income_month),
        ),
        (
            Field(
                *("primacy_score", "float64", "ratio"),
                "share of five signs: salary in 5 of 6 months; standing orders and household payments in "
                f"{STILL_COMING_DAYS} days; 3 card payments in 90 days; a session in 30 days",
                "Signs of a main bank",
            ),
            _score,
        ),
        (
            Field(
                *("primacy_ending", "int64", "0/1"),
                "of salary, standing orders and household payments that came 4 to 6 months ago, at least "
                f"half have not for {STILL_COMING_DAYS} days",
                "Regular payments are moving away",
            ),
            _ending,
        ),
    ),
)
