"""What lies at the bank: levels at fixed distances before as_of, trends, and the share of the peak."""

from collections.abc import Callable
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from features.families.base import DType, Family, Field, Level
from features.families.parts import flag

__all__ = ["FAMILY", "LEVEL_MONTHS"]

LEVEL_MONTHS = (0, 1, 2, 3, 4, 5, 6, 9, 12)
"""Calendar months before as_of at which the balance is read: the same day of the pay cycle."""


def _mean(table: ir.Table, months: tuple[int, ...]) -> ir.Value:
    return reduce(add, (_level(table, m).cast("float64") for m in months)) / len(months)


def _share(part: ir.Value, whole: ir.Value) -> ir.Value:
    # Null where the whole is nothing: a ratio to zero has no meaning.
    return part / (whole > 0).ifelse(whole, ibis.null("float64"))


def _lowest(table: ir.Table, months: tuple[int, ...]) -> ir.Value:
    return ibis.least(*(_level(table, m) for m in months))


def _highest(table: ir.Table, months: tuple[int, ...]) -> ir.Value:
    return ibis.greatest(*(_level(table, m) for m in months))


def _level(table: ir.Table, months: int) -> ir.Value:
    return table[f"balance_{months}m_ago"] if months else table.balance_total


def _deviation(table: ir.Table, months: tuple[int, ...]) -> ir.Value:
    """Standard deviation of the levels, by one fixed order of additions."""
    mean = _mean(table, months)
    apart = [_level(table, m).cast("float64") - mean for m in months]
    return (reduce(add, (a * a for a in apart)) / len(months)).sqrt()


def _falling(table: ir.Table) -> ir.Value:
    """How many months in a row, up to now, ended lower than they began."""
    run: ir.Value = ibis.literal(0)
    for m in reversed(_HALF[:-1]):
        run = flag(_level(table, m) < _level(table, m + 1)) * (run + 1)
    return run


def _instalment(table: ir.Table) -> ir.Value:
    """What a month of the last 90 days paid back, in cents; null where nothing was."""
    paid = -table.instalments_sum_90d.cast("float64")
    return (paid > 0).ifelse(paid, ibis.null("float64")) / 3


def _months_left(table: ir.Table) -> ir.Value:
    return ibis.least(table.loan_outstanding.cast("float64") / _instalment(table), float(_LONGEST_LOAN))


def _outstanding_ahead(table: ir.Table) -> ir.Value:
    """Mean of what is outstanding at the end of each of the next twelve months, if paid as lately."""
    months = ibis.least(_months_left(table), 12.0)
    paid = _instalment(table) * months * (months + 1) / 2
    return (table.loan_outstanding.cast("float64") * months - paid) / 12


def _field(name: str, unit: str, meaning: str, label: str) -> Field:
    dtype: DType = "int64" if unit == "cents" else "float64"
    return Field(name, dtype, unit, meaning, label, "C2", "null")


_LONGEST_LOAN = 480
_RECENT, _BEFORE, _YEAR = (0, 1, 2, 3), (3, 4, 5, 6), LEVEL_MONTHS
_HALF = (0, 1, 2, 3, 4, 5, 6)


def _ago(months: int) -> str:
    return f"{months} months ago" if months > 1 else "a month ago"


def _change(name: str, months: int, words: str) -> tuple[Field, Callable[[ir.Table], ir.Value]]:
    meaning = f"level now less {_ago(months)}"
    return _field(
        name, "cents", meaning, f"Balance change, {words}"
    ), lambda t: t.balance_total - _level(t, months)


FAMILY = Family(
    "balances",
    "What lies at the bank",
    levels=(
        Level(_field("balance_total", "cents", "balance of all holdings but loans", "Balance"), 0),
        *(
            Level(
                _field(
                    f"balance_{m}m_ago",
                    "cents",
                    f"that balance {_ago(m)}",
                    f"Balance {_ago(m)}",
                ),
                m,
            )
            for m in LEVEL_MONTHS
            if m
        ),
        Level(
            Field("loan_outstanding", "int64", "cents", "outstanding on loans", "Outstanding loans", "C2"),
            0,
            owed=True,
        ),
    ),
    derived=(
        (
            _field("balance_mean_3m", "cents (mean)", "mean level of 3 months", "Mean balance, 3 months"),
            lambda t: _mean(t, _RECENT),
        ),
        (
            _field(
                "balance_mean_6m",
                "cents (mean)",
                "mean level, month 6 to 3",
                "Mean balance, before",
            ),
            lambda t: _mean(t, _BEFORE),
        ),
        (
            _field("balance_min_3m", "cents", "lowest level of 3 months", "Lowest balance, last 3 months"),
            lambda t: _lowest(t, _RECENT),
        ),
        (
            _field("balance_max_12m", "cents", "highest level of 12 months", "Highest balance, last year"),
            lambda t: _highest(t, _YEAR),
        ),
        (
            _field("balance_min_12m", "cents", "lowest level of 12 months", "Lowest balance, last year"),
            lambda t: _lowest(t, _YEAR),
        ),
        _change("balance_change_1m", 1, "a month"),
        _change("balance_change_3m", 3, "3 months"),
        _change("balance_change_12m", 12, "a year"),
        (
            _field("balance_to_mean", "ratio", "level now to its 3-month mean", "Balance against its mean"),
            lambda t: _share(t.balance_total, _mean(t, _RECENT)),
        ),
        (
            _field("balance_trend", "ratio", "3-month mean to the mean before", "Balance trend, 3 months"),
            lambda t: _share(_mean(t, _RECENT), _mean(t, _BEFORE)),
        ),
        (
            _field("balance_of_peak", "ratio", "level now to the year's highest", "Share of peak balance"),
            lambda t: _share(t.balance_total.cast("float64"), _highest(t, _YEAR).cast("float64")),
        ),
        (
            _field("balance_spread_3m", "ratio", "highest less lowest, to the mean", "Balance swings"),
            lambda t: _share(
                (_highest(t, _RECENT) - _lowest(t, _RECENT)).cast("float64"), _mean(t, _RECENT)
            ),
        ),
        (
            _field(
                *("balance_volatility_6m", "ratio", "deviation of 7 monthly levels, to their mean"),
                "Balance volatility, 6 months",
            ),
            lambda t: _share(_deviation(t, _HALF), _mean(t, _HALF)),
        ),
        (
            Field(
                *(
                    "balance_falling_months",
                    "int64",
                    "count",
                    "months in a row, to now, with a falling level",
                ),
                *("Months of falling balance in a row", "C2"),
            ),
            _falling,
        ),
        (
            _field(
                *("loan_months_left", "ratio", "loans to what a month of the last 90 days paid back"),
                "Months until the loans are paid",
            ),
            _months_left,
        ),
        (
            _field(
                *("loan_mean_ahead", "cents (mean)", "outstanding over the next year if paid as lately"),
                "Outstanding loans, next year",
            ),
            _outstanding_ahead,
        ),
    ),
)
