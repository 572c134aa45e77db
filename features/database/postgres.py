"""Rows in a PostgreSQL database, with a file's promises: whole, in order, one writer at a time."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import conninfo, errors
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import FloatDumper

from features.database.address import Address
from features.errors import ConfigError, FullError, InputError, NotReadyError, RefusedError

__all__ = ["Postgres"]

_CONNECT_S, _TURN_S, _ANSWER_S = 5, 25, 30.0
_WRITERS = 7_046_029_254_386_353_087
"""The advisory lock of whoever writes; any number that nobody else in the database takes."""

_TAKEN = (errors.InvalidPassword, errors.InvalidAuthorizationSpecification, errors.InvalidCatalogName)
_FULL = (errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded)


class _Patient(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up where the server does not answer any more."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout or _ANSWER_S)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class _Number(FloatDumper):
    """What is not a number is missing, as in SQLite."""

    def dump(self, obj: float) -> Any:
        return None if obj != obj else super().dump(obj)


class _Connection:
    """See `Log`: SQL with `?`, as SQLite has it."""

    def __init__(self, connection: _Patient) -> None:
        self.connection = connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        return self.connection.execute(_own(statement), values or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> Any:
        cursor = self.connection.cursor()
        cursor.executemany(_own(statement), rows)
        return cursor

    def stream(self, statement: str, values: Sequence[Any] = ()) -> Any:
        return self.connection.cursor("stream").execute(_own(statement), values)

    def close(self) -> None:
        self.connection.close()


@dataclass(frozen=True)
class Postgres:
    """The first schema of an address's search path; see `Backend`."""

    address: Address
    # Compared byte by byte, as SQLite does, whatever language the database speaks.
    types = MappingProxyType({str: 'TEXT COLLATE "C"', int: "BIGINT", float: "DOUBLE PRECISION"})
    counter = "rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE"
    strict = ""
    early = "o.at::timestamptz(3) < d.decided_at::timestamptz(3)"
    # Seconds, not days: a day has 23 hours where a reader's clock springs forward.
    late = (
        "o.at::timestamptz(3) >= "
        "d.decided_at::timestamptz(3) + make_interval(secs => 86400.0 * d.window_days)"
    )

    def exists(self) -> bool:
        """Whether the tables are there."""
        with closing(self.connect()) as log:
            return self.found_format(log) is not None

    def connect(self) -> Any:
        """Log in; every statement is a transaction of its own until `begin`."""
        url = self.address.url
        try:
            own = conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            # The driver's words repeat what it could not read.
            raise ConfigError(f"{self.address}: not a URL that PostgreSQL reads; cure: mend it") from None
        try:
            defaults: dict[str, Any] = {"connect_timeout": _CONNECT_S, "application_name": "tenure"}
            connection = _Patient.connect(
                url, autocommit=True, **{k: v for k, v in defaults.items() if k not in own}
            )
        except psycopg.OperationalError as error:
            if isinstance(error, _TAKEN) or (error.pgconn is not None and _unknown(error.pgconn)):
                raise ConfigError(
                    f"{self.address}: PostgreSQL does not take user, password or database; "
                    "cure: correct the setting"
                ) from None
            raise NotReadyError(
                f"{self.address}: PostgreSQL does not answer; cure: start it, or correct the setting"
            ) from None
        connection.adapters.register_dumper(float, _Number)
        return _Connection(connection)

    def begin(self, log: Any, only_read: bool) -> None:
        """Writers wait for each other, so rows are numbered in the order in which they are committed."""
        if only_read:
            log.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        else:
            log.execute(
                f"BEGIN; SET LOCAL lock_timeout = '{_TURN_S}s'; SET LOCAL synchronous_commit = on; "
                f"SELECT pg_advisory_xact_lock({_WRITERS})"
            )

    def in_transaction(self, log: Any) -> bool:
        """See `Backend`."""
        status = log.connection.info.transaction_status
        return status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def usable(self, log: Any) -> bool:
        """See `Backend`; a connection that the server closed shows itself by the next error."""
        return not log.connection.closed

    def found_format(self, log: Any) -> int | None:
        """See `Backend`."""
        (ours, any_table) = log.execute(
            "SELECT to_regclass('log_format'), to_regclass('decisions')"
        ).fetchone()
        if ours is None:
            return None if any_table is None else 0
        return int(log.execute("SELECT format FROM log_format").fetchone()[0])

    def say_format(self, log: Any, number: int) -> None:
        """See `Backend`."""
        log.execute("CREATE TABLE IF NOT EXISTS log_format (format INTEGER NOT NULL)")
        log.execute("DELETE FROM log_format")
        log.execute("INSERT INTO log_format VALUES (?)", (number,))

    def append_only(self, table: str) -> tuple[str, ...]:
        """See `Backend`."""
        return (
            "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME; END$$",
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION append_only()",
        )

    def writable(self, table: str) -> tuple[str, ...]:
        """See `Backend`."""
        return (f"DROP TRIGGER {table}_kept ON {table}",)

    def scrub(self, log: Any, tables: Sequence[str], /) -> None:
        """See `Backend`; archived write-ahead logs and backups are the server's own."""
        log.execute(f"VACUUM (FULL) {', '.join(tables)}")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what PostgreSQL raises about itself into Tenure's errors; its words may hold a row."""
        try:
            yield
        except _FULL as error:
            raise FullError(f"{self.address}: no room, nothing was written; cure: make room") from error
        except errors.RaiseException as error:
            raise RefusedError(
                f"{self.address}: {error.diag.message_primary}; cure: record what is right under a new id"
            ) from None
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            column = error.diag.column_name or "a column"
            raise InputError(
                f"{self.address}: {column} cannot hold a value ({type(error).__name__}); cure: mend it"
            ) from None
        except (psycopg.OperationalError, psycopg.InternalError) as error:
            raise NotReadyError(
                f"{self.address}: PostgreSQL stopped answering ({type(error).__name__}), what was not "
                "acknowledged may be sent again; cure: look at the server, then try again"
            ) from error


def _own(statement: str) -> str:
    return statement.replace("?", "%s")


def _unknown(connection: Any) -> bool:
    """Whether the server asked for a password and then did not let us in."""
    return bool(connection.used_password or connection.needs_password)
