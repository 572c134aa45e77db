"""What the import adds to a table, as SQL over the views that a check leaves: versions, order, conversion."""

import duckdb

from features.history.contract import Table
from features.history.engine import literal, name_list

__all__ = ["sorted_select"]


def sorted_select(connection: duckdb.DuckDBPyConnection, table: Table, currency: str) -> str:
    """SQL for the rows of `all_<table>` with their derived columns, in the order of storage.

    Versions of one id are rare, so only ids in `repeated_<table>` go through a window; likewise
    only bookings in another currency than `currency`, the reporting one, look up a rate.
    """
    name, key, ids = table.name, name_list(table.key), name_list(table.id)
    connection.execute(
        f"CREATE TABLE versions_{name} AS SELECT {key}, "
        f"lead(known_at) OVER (PARTITION BY {ids} ORDER BY known_at) AS known_until "
        f"FROM all_{name} SEMI JOIN repeated_{name} USING ({ids})"
    )
    joined = f"SELECT * FROM all_{name} LEFT JOIN versions_{name} USING ({key}) ORDER BY {_order(table)}"
    if name != "transactions":
        return joined
    _find_rates(connection, currency)
    columns = name_list([c.name for c in table.columns])
    money = ", ".join(
        f"CAST(round({amount} * coalesce(rate, 1)) AS BIGINT) AS {converted}"
        for amount, converted in (("amount", "amount_reporting"), ("balance_after", "balance_reporting"))
    )
    return joined, columns, money


def _order(table: Table) -> str:
    names = ["customer_id", table.time, *table.key]
    known = [name for name in dict.fromkeys(names) if name in {c.name for c in table.columns}]
    return name_list(known if table.name != "rates" else table.key)
