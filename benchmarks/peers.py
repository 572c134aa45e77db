"""The same windows as a good analyst would write them in pandas and in polars, from the declarations.

Both read the imported history with its versions, keep what was known at the moment, and compute
every window over transactions. Neither writes anything: that time is a present.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from features.families.base import Family, Window

COLUMNS = ("customer_id", "at", "known_at", "known_until", "amount_reporting", "category", "channel")
HOW = {"sum": "sum", "largest": "max", "mean": "mean"}


def windows_of(families: tuple[Family, ...]) -> list[Window]:
    """The windows over transactions."""
    return [w for family in families for w in family.windows if w.table == "transactions"]


def by_polars(path: Path, windows: list[Window], as_of: datetime) -> int:
    """Compute with the streaming engine; returns the number of customers."""
    import polars as pl

    known = pl.col("known_until").is_null() | (pl.col("known_until") > as_of)
    rows = pl.scan_parquet(path).select(COLUMNS)
    rows = rows.filter((pl.col("at") < as_of) & (pl.col("known_at") <= as_of) & known)

    def measure(w: Window) -> Any:
        inside = pl.col("at") >= w.since(as_of)
        for column, words in w.slice.words.items():
            inside &= pl.col(column).is_in(words)
        if w.slice.sign:
            inside &= (
                pl.col("amount_reporting") > 0 if w.slice.sign == "+" else pl.col("amount_reporting") < 0
            )
        if w.slice.hours != (0, 24):
            inside &= pl.col("at").dt.hour().is_between(*w.slice.hours, closed="left")
        if w.measure == "count":
            return inside.sum().alias(w.field.name)
        if w.measure == "recency":
            return ((as_of - pl.col("at").filter(inside).max()).dt.total_days()).alias(w.field.name)
        kept = pl.col(w.column).filter(inside)
        return getattr(kept, {"sum": "sum", "largest": "max", "mean": "mean"}[w.measure])().alias(
            w.field.name
        )

    return rows.group_by("customer_id").agg(measure(w) for w in windows).collect(engine="streaming").height


def by_pandas(path: Path, windows: list[Window], as_of: datetime) -> int:
    """Compute in memory; returns the number of customers."""
    import pandas as pd
    import pyarrow.parquet as pq

    words = ["customer_id", "category", "channel"]
    rows = pq.read_table(path, columns=list(COLUMNS), read_dictionary=words)
    rows = rows.unify_dictionaries().to_pandas(split_blocks=True, self_destruct=True)
    known = rows["known_until"].isna() | (rows["known_until"] > as_of)
    rows = rows[(rows["at"] < as_of) & (rows["known_at"] <= as_of) & known]
    found = {}
    for w in windows:
        inside = rows["at"] >= w.since(as_of)
        for column, words in w.slice.words.items():
            inside &= rows[column].isin(words)
        if w.slice.sign:
            inside &= rows["amount_reporting"] > 0 if w.slice.sign == "+" else rows["amount_reporting"] < 0
        if w.slice.hours != (0, 24):
            inside &= rows["at"].dt.hour.between(*w.slice.hours, inclusive="left")
        groups = rows[inside].groupby("customer_id", observed=False)
        if w.measure == "count":
            found[w.field.name] = groups.size()
        elif w.measure == "recency":
            found[w.field.name] = (as_of - groups["at"].max()).dt.days
        else:
            found[w.field.name] = getattr(groups[w.column], HOW[w.measure])()
    return len(pd.DataFrame(found))
