"""From declarations to columns: compile every family to Ibis and run it for one as_of.

A window aggregate is data, so this module is one executor of it among possible others; it writes
`sum(case when ... end)` rather than filtered aggregates, because one pass over the rows then
serves every window of a relation.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Slice, Window
from features.history.cut import Cut
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = ["feature_table", "join_customers", "spine_of"]


def spine_of(cut: Cut) -> ir.Table:
    """Who is a customer at as_of: everybody who holds an open product.

    Returns
    -------
    table
        customer_id, one row each. Customers who have left everything are already gone and are
        neither trained on nor scored.
    """
    return cut.holdings.filter(cut.holdings.closed_at.isnull()).select(CUSTOMER_ID).distinct()


def feature_table(cut: Cut, spine: ir.Table, families: Sequence[Family]) -> ir.Table:
    """Every field of every family for the spine's customers.

    Parameters
    ----------
    cut
        History as known at as_of.
    spine
        customer_id, one row each.
    families
        The declarations; fields keep their order.

    Returns
    -------
    table
        customer_id, as_of, then every field; as many rows as the spine.
    """
    result = spine
    for family in families:
        result = join_customers(result, _family_columns(cut, spine, family))
    moment = ibis.literal(cut.as_of, type="timestamp('UTC')")
    return result.mutate(as_of=moment).relocate(CUSTOMER_ID, AS_OF)


def _family_columns(cut: Cut, spine: ir.Table, family: Family) -> ir.Table:
    columns = spine
    for relation in dict.fromkeys(w.table for w in family.windows):
        windows = [w for w in family.windows if w.table == relation]
        columns = join_customers(columns, _aggregate(cut, relation, windows))
    if family.expression is not None:
        columns = join_customers(columns, family.expression(cut, spine))
    known = [*(w.field for w in family.windows), *family.expressed]
    columns = columns.select(CUSTOMER_ID, **{f.name: _typed(columns[f.name], f) for f in known})
    derived = {f.name: _typed(rule(columns), f) for f, rule in family.derived}
    return columns.mutate(**derived) if derived else columns


def join_customers(left: ir.Table, right: ir.Table) -> ir.Table:
    """Every customer of `left`, with the columns of `right` or nulls."""
    joined = left.left_join(right, CUSTOMER_ID)
    return joined.drop(f"{CUSTOMER_ID}_right")


def _typed(value: ir.Value, field: Field) -> ir.Value:
    """Cast to the declared type and apply the null policy; money stays whole cents."""
    cast = value.cast(field.dtype)
    if field.null == "null":
        return cast
    return cast.fill_null("" if field.dtype == "string" else 0)


def _aggregate(cut: Cut, relation: str, windows: Sequence[Window]) -> ir.Table:
    table: ir.Table = getattr(cut, relation)
    seconds = {w.field.name: int((cut.as_of - w.since(cut.as_of)).total_seconds()) for w in windows}
    # Seconds before as_of, as an integer: the same arithmetic on every engine.
    table = table.mutate(age_seconds=int(cut.as_of.timestamp()) - table.at.epoch_seconds())
    table = table.filter(table.age_seconds <= max(seconds.values()))
    aggregates = {w.field.name: _measure(table, w, seconds[w.field.name]) for w in windows}
    return table.group_by(CUSTOMER_ID).aggregate(**aggregates)


def _measure(table: ir.Table, window: Window, seconds: int) -> ir.Value:
    inside = ibis.and_(table.age_seconds <= seconds, *_slice(table, window.slice))
    if window.measure == "count":
        return inside.ifelse(1, 0).sum()
    if window.measure == "recency":
        return (inside.ifelse(table.age_seconds, ibis.null("int64")) // 86_400).min()
    kept = inside.ifelse(table[window.column], ibis.null(table[window.column].type()))
    if window.measure == "sum":
        return kept.sum()
    if window.measure == "largest":
        return kept.max()
    # Millionths as integers: their sum does not depend on the order in which threads add.
    millionths = (kept * 1_000_000).round().cast("int64")
    return millionths.sum().cast("float64") / 1_000_000 / kept.count().nullif(0)


def _slice(table: ir.Table, part: Slice) -> list[ir.BooleanValue]:
    conditions = [table[column].isin(words) for column, words in part.words.items()]
    if part.sign == "+":
        conditions.append(table.amount_reporting > 0)
    elif part.sign == "-":
        conditions.append(table.amount_reporting < 0)
    return conditions
