"""Keep erased customers out of an import, before any row of theirs is looked at or set aside."""

from collections.abc import Callable, Iterable

import duckdb

from features.history.contract import TABLES
from features.vocabulary import CUSTOMER_ID

__all__ = ["Erased", "withhold"]

Erased = Callable[[Iterable[str]], frozenset[str]]
"""Which of some customers were erased, as `features.tombstones.Tombstones.among` says."""


def withhold(connection: duckdb.DuckDBPyConnection, erased: Erased) -> dict[str, int]:
    """Take the rows of erased customers out of every `raw_<table>`; gives how many there were, by table."""
    withheld = {}
    for table in TABLES:
        if CUSTOMER_ID not in {column.name for column in table.columns}:
            continue
        name = table.name
        ids = connection.execute(f"SELECT DISTINCT customer_id FROM raw_{name}").fetchall()
        if not (gone := erased(who for (who,) in ids if who is not None)):
            continue
        connection.execute(
            f"CREATE TABLE erased_{name} AS SELECT unnest($1) AS customer_id", [sorted(gone)]
        )
        count = f"SELECT count(*) FROM raw_{name} SEMI JOIN erased_{name} USING (customer_id)"
        [(withheld[name],)] = connection.execute(count).fetchall()
        connection.execute(f"ALTER VIEW raw_{name} RENAME TO came_{name}")
        connection.execute(
            f"CREATE VIEW raw_{name} AS FROM came_{name} ANTI JOIN erased_{name} USING (customer_id)"
        )
    return withheld
