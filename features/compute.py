"""From declarations to columns: every family as one Ibis table for one as_of.

Windows and levels are data, so this module is one executor of them among several (see
features.engines); what is expressed and what is derived runs as Ibis everywhere. Windows are
written as `sum(case when ... end)` rather than filtered aggregates, because one pass over the rows
then serves every window of a relation.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Level, Shared, Slice, Window
from features.history.cut import Cut, seconds
from features.history.levels import levels
from features.months import months_before
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = ["expressed_table", "feature_table", "finish", "join_customers", "shared_table", "spine_of"]


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
    windows = [w for family in families for w in family.windows]
    relations = dict.fromkeys(w.table for w in windows)
    parts = [_aggregate(cut, r, [w for w in windows if w.table == r]) for r in relations]
    declared = [level for family in families for level in family.levels]
    if declared:
        parts.append(_levels(cut, spine, declared))
    base = reduce(join_customers, parts, expressed_table(cut, spine, families))
    return finish(base, families, cut.as_of)


def expressed_table(cut: Cut, spine: ir.Table, families: Sequence[Family]) -> ir.Table:
    """What no window or level can say: the spine with the columns of every family's expression."""
    told = [family.expression(cut, spine) for family in families if family.expression is not None]
    return reduce(join_customers, told, spine)


def finish(base: ir.Table, families: Sequence[Family], as_of: datetime) -> ir.Table:
    """Type the columns, apply null policies and derive the rest.

    Parameters
    ----------
    base
        customer_id, and every window, level and expressed column, null where there is nothing. A
        shared column that is there already is taken as it is.

    Returns
    -------
    table
        customer_id, as_of, then every field in declared order; as many rows as `base`.
    """
    table = _typed_base(base, families)
    table = table.mutate(**_shared_columns(table, families))
    for family in families:
        table = table.mutate(**{field.name: _typed(rule(table), field) for field, rule in family.derived})
    moment = ibis.literal(as_of, type="timestamp('UTC')")
    names = [f.name for family in families for f in family.fields]
    return table.select(CUSTOMER_ID, moment.name(AS_OF), *names)


def shared_table(base: ir.Table, families: Sequence[Family]) -> ir.Table:
    """customer_id and the shared fields; `base` as for `finish`."""
    table = _typed_base(base, families)
    return table.select(CUSTOMER_ID, **_shared_columns(table, families))


def _typed_base(base: ir.Table, families: Sequence[Family]) -> ir.Table:
    fields = [f for family in families for f in family.base_fields]
    known = [s.field for family in families for s in family.shared if s.field.name in base.columns]
    return base.select(CUSTOMER_ID, **{f.name: _typed(base[f.name], f) for f in (*fields, *known)})


def _shared_columns(table: ir.Table, families: Sequence[Family]) -> dict[str, ir.Value]:
    """The shared fields that a typed base does not have yet."""
    shared = [s for family in families for s in family.shared if s.field.name not in table.columns]
    return {s.field.name: _typed(_over(table, s), s.field) for s in shared}


def _over(table: ir.Table, shared: Shared) -> ir.Value:
    # The prefixes keep ids of customers and of what they share apart.
    group = (
        table[shared.by]
        .isnull()
        .ifelse(ibis.literal("customer ") + table[CUSTOMER_ID], ibis.literal("shared ") + table[shared.by])
    )
    return shared.value(table).sum().over(group_by=group)


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


def _levels(cut: Cut, spine: ir.Table, declared: Sequence[Level]) -> ir.Table:
    months = sorted({level.months for level in declared})
    table = levels(cut, spine, tuple(months_before(cut.as_of, m) for m in months))
    named = {
        level.field.name: table[f"{'owed' if level.owed else 'level'}_{months.index(level.months)}"]
        for level in declared
    }
    return table.select(CUSTOMER_ID, **named)


def _aggregate(cut: Cut, relation: str, windows: Sequence[Window]) -> ir.Table:
    table: ir.Table = getattr(cut, relation)
    ages = {w.field.name: int((cut.as_of - w.since(cut.as_of)).total_seconds()) for w in windows}
    # Seconds before as_of, as an integer: the same arithmetic on every engine.
    table = table.mutate(age_seconds=int(cut.as_of.timestamp()) - seconds(table.at))
    table = table.filter(table.age_seconds <= max(ages.values()))
    aggregates = {w.field.name: _measure(table, w, ages[w.field.name]) for w in windows}
    return table.group_by(CUSTOMER_ID).aggregate(**aggregates)


def _measure(table: ir.Table, window: Window, age: int) -> ir.Value:
    inside = ibis.and_(table.age_seconds <= age, *_slice(table, window.slice))
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
    if part.hours != (0, 24):
        # From the epoch, not from a calendar function: engines differ in their session's zone.
        hour = seconds(table.at) // 3_600 % 24
        conditions += [hour >= part.hours[0], hour < part.hours[1]]
    return conditions
