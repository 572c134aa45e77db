"""What the import adds to a table, as SQL: versions, order, conversion."""

import duckdb

from features.history.contract import Table
from features.history.engine import literal, name_list

__all__ = ["sorted_select"]


def sorted_select(connection: duckdb.DuckDBPyConnection, table: Table, currency: str) -> str:
    """SQL for the rows of `all_<table>` with their derived columns, in the order of storage.

    Versions of one id are rare, so only the ids in `repeated_<table>` go through a window; likewise
    only bookings in another currency than `currency`, the reporting one, look up a rate.
    """
    name, key, ids = table.name, name_list(table.key), name_list(table.id)
    connection.execute(
        f"CREATE TABLE versions_{name} AS SELECT {key}, "
        f"lead(known_at) OVER (PARTITION BY {ids} ORDER BY known_at) AS known_until "
        f"FROM all_{name} SEMI JOIN repeated_{name} USING ({ids})"
    )
    joins = f"LEFT JOIN versions_{name} USING ({key})"
    columns = name_list([*(column.name for column in table.columns), "known_until"])
    if name != "transactions":
        return f"SELECT {columns} FROM all_{name} {joins} ORDER BY {_order(table)}"
    _find_rates(connection, table, currency)
    ordered = (
        f"SELECT * FROM all_{name} {joins} LEFT JOIN conversions USING ({key}) ORDER BY {_order(table)}"
    )
    return (
        f"SELECT {columns}, row_number() OVER () - 1 AS seq, {_converted('amount')} AS amount_reporting, "
        f"{_converted('balance_after')} AS balance_reporting FROM ({ordered})"
    )


def _find_rates(connection: duckdb.DuckDBPyConnection, table: Table, currency: str) -> None:
    """Make `conversions`: the rate of each foreign booking, the newest that was known at its time.

    A rate holds from its date, or from when it was known if that is later. A late correction of an
    older day does not displace the rate of a newer one.
    """
    known = "greatest(CAST(date AS TIMESTAMPTZ), known_at)"
    key = name_list(table.key)
    connection.execute(
        "CREATE TABLE rates_in_force AS SELECT currency, since, rate FROM ("
        f"SELECT *, {known} AS since, max(date) OVER (PARTITION BY currency ORDER BY {known}) AS newest "
        "FROM all_rates) WHERE date = newest "
        "QUALIFY row_number() OVER (PARTITION BY currency, since ORDER BY known_at DESC) = 1;"
        f"CREATE TABLE conversions AS SELECT {key}, rate FROM "
        f'(SELECT {key}, currency, "at" FROM all_transactions WHERE currency <> {literal(currency)}) b '
        'ASOF JOIN rates_in_force r ON b.currency = r.currency AND b."at" >= r.since'
    )


def _converted(cents: str) -> str:
    """Cents of the reporting currency, half a cent rounded away from zero; untouched if not foreign."""
    return f"CASE WHEN rate IS NULL THEN {cents} ELSE CAST(round({cents} * rate) AS BIGINT) END"


def _order(table: Table) -> str:
    names = {column.name for column in table.columns}
    first = ("customer_id", table.time) if "customer_id" in names else ()
    return name_list(tuple(dict.fromkeys((*first, *table.key))))
