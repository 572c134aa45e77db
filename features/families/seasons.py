"""The season taken out: the last quarter beside the same quarter a year earlier.

A bonus in December or a summer of travel comes every year; what differs from last year does not.
All of it is null until the customer has been here long enough to have had last year's quarter.
"""

from functools import partial

import ibis
import ibis.expr.types as ir

from features.families.activity import COMPARED
from features.families.base import Family, Field
from features.families.parts import ratio, total

__all__ = ["FAMILY"]

_MONTHS = {"inflow": (12, 15, 18), "outflow": (12, 15, 18), "income": (12, 15)}
_DAYS_OF_15_MONTHS, _DAYS_OF_18_MONTHS = 458, 550
"""The longest that so many calendar months can be."""


def _known(table: ir.Table, days: int, value: ir.Value) -> ir.Value:
    """The value for those who have been here that long."""
    return (table.tenure_days >= days).ifelse(value, ibis.null("float64"))


def _against_last_year(table: ir.Table, name: str) -> ir.Value:
    same_quarter = table[f"{name}_sum_15m"] - table[f"{name}_sum_12m"]
    return _known(table, _DAYS_OF_15_MONTHS, ratio(table[f"{name}_sum_3m"], same_quarter))


def _seasonal(table: ir.Table, name: str) -> ir.Value:
    """The change of this quarter, to the change of the same quarter a year earlier."""
    upto = {m: table[f"{name}_sum_{m}m"] for m in (3, 6, 12, 15, 18)}
    now = ratio(upto[3], upto[6] - upto[3])
    then = ratio(upto[15] - upto[12], upto[18] - upto[15])
    return _known(table, _DAYS_OF_18_MONTHS, ratio(now, then))


def _field(name: str, meaning: str, label: str) -> Field:
    return Field(name, "float64", "ratio", meaning, label, null="null")


FAMILY = Family(
    "seasons",
    "What has changed beside the season",
    windows=tuple(
        total(name, *COMPARED[name], months=months) for name, spans in _MONTHS.items() for months in spans
    ),
    derived=(
        *(
            (
                _field(
                    f"{name}_change_1y",
                    "sum of 3 calendar months to the same 3 a year earlier",
                    f"{COMPARED[name][0]}, last 3 months against a year ago",
                ),
                partial(_against_last_year, name=name),
            )
            for name in _MONTHS
        ),
        *(
            (
                _field(
                    f"{name}_change_seasonal",
                    "change against the quarter before, to the same change a year earlier",
                    f"{COMPARED[name][0]}, change beside the season's",
                ),
                partial(_seasonal, name=name),
            )
            for name, spans in _MONTHS.items()
            if 18 in spans
        ),
    ),
)
