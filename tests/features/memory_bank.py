"""A bank in memory, with the derived columns that an import would add."""

from typing import Any

import ibis
import pyarrow as pa

from features.history.contract import BY_NAME
from features.history.tables import arrow_schema

DERIVED = {
    "transactions": [
        ("seq", pa.int64()),
        ("amount_reporting", pa.int64()),
        ("balance_reporting", pa.int64()),
    ]
}


def prepared(rows: list[dict[str, Any]], name: str) -> pa.Table:
    """Rows of one table as an import stores them: with derived columns, by customer and time."""
    table = BY_NAME[name]
    schema = arrow_schema(table)
    for column, kind in [*DERIVED.get(name, []), ("known_until", pa.timestamp("us", "UTC"))]:
        schema = schema.append(pa.field(column, kind))
    ready = _versions(rows, table.id)
    order = ("customer_id", table.time, *table.key) if "customer_id" in schema.names else table.key
    return pa.Table.from_pylist(sorted(ready, key=lambda r: tuple(r[c] for c in order)), schema=schema)


def connect(tables: dict[str, list[dict[str, Any]]]) -> Any:
    """An in-memory bank with the derived columns that an import would add."""
    backend = ibis.duckdb.connect()
    backend.raw_sql("SET TimeZone = 'UTC'")
    for name, table in BY_NAME.items():
        extra = [*DERIVED.get(name, []), ("known_until", pa.timestamp("us", "UTC"))]
        schema = arrow_schema(table)
        for column, kind in extra:
            schema = schema.append(pa.field(column, kind))
        rows = _versions(tables.get(name, []), table.id)
        backend.con.register(f"{name}_rows", pa.Table.from_pylist(rows, schema=schema))
        backend.raw_sql(f"CREATE TABLE {name} AS SELECT * FROM {name}_rows")
    return backend


def _versions(rows: list[dict[str, Any]], ids: tuple[str, ...]) -> list[dict[str, Any]]:
    for row_ in rows:
        later = [
            other["known_at"]
            for other in rows
            if all(other[i] == row_[i] for i in ids) and other["known_at"] > row_["known_at"]
        ]
        row_["known_until"] = min(later, default=None)
    if rows and "amount" in rows[0]:
        for seq, row_ in enumerate(sorted(rows, key=lambda r: (r["at"], r["transaction_id"]))):
            row_ |= {
                "seq": seq,
                "amount_reporting": row_["amount"],
                "balance_reporting": row_["balance_after"],
            }
    return rows
