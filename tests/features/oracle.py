"""What a clerk would count by hand: windows and balances at a moment, from raw rows, in plain Python.

Written apart from the engines: it knows versions by their `known_at` only, walks every row for
every answer, and does its own calendar.
"""

import calendar
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from features.families.base import Level, Window

Row = dict[str, Any]


def as_known(rows: Iterable[Row], ids: tuple[str, ...], moment: datetime) -> list[Row]:
    """The version of each thing that was known at a moment, of those that had happened by then."""
    latest: dict[tuple[Any, ...], Row] = {}
    for r in sorted(rows, key=lambda r: r["known_at"]):
        if r["known_at"] <= moment:
            latest[tuple(r[i] for i in ids)] = r
    return [r for r in latest.values() if r["at"] < moment]


def months_earlier(moment: datetime, months: int) -> datetime:
    year, month = moment.year, moment.month
    for _ in range(months):
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


def window(w: Window, transactions: list[Row], interactions: list[Row], moment: datetime) -> Any:
    """The answer of one window for one customer; rows as known at the moment, null policy not applied."""
    rows = {"transactions": transactions, "interactions": interactions}.get(
        w.table, [*transactions, *interactions]
    )
    start = months_earlier(moment, w.months) if w.months else moment - timedelta(days=w.days)
    inside = [r for r in rows if r["at"] >= start and _in_slice(w, r)]
    if w.measure == "count":
        return len(inside)
    if w.measure == "recency":
        ages = [(moment - r["at"].replace(microsecond=0)).days for r in inside]
        return min(ages, default=None)
    values = [r[w.column] for r in inside if r[w.column] is not None]
    if not values:
        return None
    if w.measure == "mean":
        return sum(round(v * 1_000_000) for v in values) / 1_000_000 / len(values)
    return sum(values) if w.measure == "sum" else max(values)


def _in_slice(w: Window, r: Row) -> bool:
    if any(r.get(column) not in words for column, words in w.slice.words.items()):
        return False
    amount = r.get("amount_reporting")
    if w.slice.sign and (not amount or (amount > 0) != (w.slice.sign == "+")):
        return False
    return w.slice.hours[0] <= r["at"].hour < w.slice.hours[1]


def level(lv: Level, transactions: list[Row], loans: set[str], moment: datetime) -> Any:
    """The balance of one customer some months before the moment; rows as known at the moment."""
    before = months_earlier(moment, lv.months)
    last: dict[str, int] = {}
    for r in sorted(transactions, key=lambda r: (r["at"], r["transaction_id"], r["known_at"])):
        if r["at"] < before and r["balance_reporting"] is not None:
            last[r["holding_id"]] = r["balance_reporting"]
    found = [b for holding, b in last.items() if (holding in loans) == lv.owed]
    if not found:
        return None
    return -sum(found) if lv.owed else sum(found)
