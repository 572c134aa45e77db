"""Whether MLflow's database can be used, found out at once: some libraries try for minutes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from features.database.address import Address, Where
from features.database.backend import backend_of

__all__ = ["made", "probe", "uri_of"]


def made(where: Where) -> bool:
    """Whether MLflow's tables are there; a tracking server makes its own.

    Raises
    ------
    ConfigError, NotReadyError
        If the server does not let us in, or does not answer.
    """
    if isinstance(where, Path):
        return where.is_file()
    if _is_web(where):
        return True
    with closing(backend_of(where).connect()) as log:
        # Written by MLflow in the transaction that ends the making.
        return bool(log.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()[0])


def probe(where: Where) -> None:
    """Raise sqlite3.Error if a file is damaged, read-only, or locked for more than five seconds."""
    if isinstance(where, Path):
        with closing(sqlite3.connect(where)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError("database disk image is malformed")
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()


def uri_of(where: Where) -> str:
    """The place in MLflow's words, with the driver that is installed."""
    if isinstance(where, Path):
        return f"sqlite:///{where.resolve()}"
    rest = where.url.partition("://")[2]
    return where.url if _is_web(where) else f"postgresql+psycopg://{rest}"


def _is_web(where: Address) -> bool:
    return where.url.startswith(("http://", "https://"))
