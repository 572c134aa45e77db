"""What differs between the databases that may hold rows; everything else is written once."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from features.database.address import Address, Where

__all__ = ["Backend", "Log", "backend_of"]


class Log(Protocol):
    """An open connection; values are bound to `?`."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Any:
        """Run one statement; what it found is fetched from the answer."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each row; `rowcount` of the answer says how many rows it changed."""

    def stream(self, statement: str, values: Sequence[Any] = (), /) -> Any:
        """Run one query whose rows do not all fit into memory."""

    def close(self) -> None:
        """Give the connection back; what was not committed is gone."""


class Backend(Protocol):
    """One database.

    types
        SQL's name of each type of value.
    counter
        A column that numbers rows in the order in which they were committed, as `rowid`; "" where
        every table has it.
    strict
        What ends a CREATE TABLE, so that a column holds values of its type only.
    early, late
        Whether o.at is before d.decided_at, and not before the end of d.window_days after it, both to
        the millisecond.
    """

    @property
    def types(self) -> Mapping[type, str]: ...  # noqa: D102
    @property
    def counter(self) -> str: ...  # noqa: D102
    @property
    def strict(self) -> str: ...  # noqa: D102
    @property
    def early(self) -> str: ...  # noqa: D102
    @property
    def late(self) -> str: ...  # noqa: D102

    def exists(self) -> bool:
        """Whether anything was ever written there."""

    def connect(self) -> Log:
        """Open a connection, with no transaction."""

    def begin(self, log: Log, only_read: bool) -> None:
        """Begin to read a state that stays the same, or to write as the only writer."""

    def in_transaction(self, log: Log) -> bool:
        """Whether what is begun is neither committed nor rolled back."""

    def usable(self, log: Log) -> bool:
        """Whether a connection that was kept still leads to the rows."""

    def found_format(self, log: Log) -> int | None:
        """The format of the tables: None where there are none, 0 for tables that are not Tenure's."""

    def say_format(self, log: Log, number: int) -> None:
        """Write the format of the tables."""

    def append_only(self, table: str) -> tuple[str, ...]:
        """Statements after which rows of a table are neither changed nor deleted."""

    def writable(self, table: str) -> tuple[str, ...]:
        """Statements that undo `append_only`, so that rows of a table can be erased."""

    def scrub(self, log: Log, tables: Sequence[str], /) -> None:
        """Overwrite what deleted rows of some tables left behind; outside a transaction."""

    def errors(self) -> AbstractContextManager[None]:
        """Turn what the driver raises into Tenure's errors."""


def backend_of(where: Where) -> Backend:
    """The database at a place; nothing is opened.

    Raises
    ------
    ConfigError
        If the address is not one of PostgreSQL.
    """
    # Imported here, since each start of the command line would pay for the driver.
    if isinstance(where, Address):
        from features.database.postgres import Postgres

        return Postgres(where)
    from features.database.sqlite import Sqlite

    return Sqlite(where)
