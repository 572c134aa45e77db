"""History as it was known at one moment: what every feature and label may look at.

A row is visible at `as_of` if it happened before as_of and its version was the latest one known
then. `known_until` (added at import) turns that into a plain filter.
"""

from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir

__all__ = ["Cut", "cut_history", "seconds", "visible"]


@dataclass(frozen=True)
class Cut:
    """The visible relations at `as_of`; every timestamp in them is before as_of.

    customers
        One row a customer: the latest version in force.
    customer_versions
        Every version that was ever in force, by `valid_from`, each as it is known last.
    holdings
        One row a holding and customer; `closed_at` is null where it closes later than as_of.
    touches
        customer_id, at, channel of every booking and contact.
    """

    as_of: datetime
    customers: ir.Table
    customer_versions: ir.Table
    holdings: ir.Table
    transactions: ir.Table
    interactions: ir.Table

    @property
    def touches(self) -> ir.Table:
        """Bookings and contacts by channel."""
        columns = ("customer_id", "at", "channel")
        return self.transactions.select(*columns).union(self.interactions.select(*columns))

    def days_since(self, at: ir.Value) -> ir.Value:
        """Whole days from a timestamp to as_of, rounded down; exact integer arithmetic."""
        return (int(self.as_of.timestamp()) - seconds(at)) // 86_400


def seconds(at: ir.Value) -> ir.Value:
    """Whole seconds since 1970, rounded down.

    DuckDB's epoch has a fraction, which a plain cast would round to the nearest second.
    """
    return at.epoch_seconds().cast("float64").floor().cast("int64")


def visible(table: ir.Table, time: str, as_of: datetime, known: datetime) -> ir.Table:
    """Keep the rows that happened before as_of, in the version that was known at `known`."""
    knowledge = ibis.literal(known)
    return table.filter(
        table[time] < ibis.literal(as_of),
        table.known_at <= knowledge,
        table.known_until.isnull() | (table.known_until > knowledge),
    )


def cut_history(connection: ibis.BaseBackend, as_of: datetime, known: datetime | None = None) -> Cut:
    """Cut the history at as_of.

    Parameters
    ----------
    connection
        From `features.history.read.connect`: one relation a table.
    as_of
        UTC midnight; later events are invisible.
    known
        Until when knowledge counts. Features leave it at as_of; only labels, which look back on
        an outcome, may set it later.
    """
    table, known = connection.table, known or as_of
    versions = visible(table("customers"), "valid_from", as_of, known)
    latest = versions.group_by("customer_id").aggregate(valid_from=versions.valid_from.max())
    customers = versions.semi_join(latest, ["customer_id", "valid_from"])
    holdings = visible(table("holdings"), "opened_at", as_of, known)
    closed = holdings.closed_at < ibis.literal(as_of)
    holdings = holdings.mutate(
        closed_at=closed.ifelse(holdings.closed_at, ibis.null("timestamp('UTC')")),
        close_reason=closed.ifelse(holdings.close_reason, ibis.null("string")),
    )
    interactions = visible(table("interactions"), "at", as_of, known)
    resolved = interactions.resolved_at < ibis.literal(as_of)
    interactions = interactions.mutate(
        resolved_at=resolved.ifelse(interactions.resolved_at, ibis.null("timestamp('UTC')"))
    )
    return Cut(
        as_of=as_of,
        customers=customers,
        customer_versions=versions,
        holdings=holdings,
        transactions=visible(table("transactions"), "at", as_of, known),
        interactions=interactions,
    )
