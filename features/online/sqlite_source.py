"""Read the embedded online storage: one short transaction a read, no copy of anything kept."""

import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from features.errors import CorruptError, NotReadyError
from features.online.packed import Codec
from features.online.sqlite_rows import IDS_A_QUERY, is_ours, marks, quoted, table_of
from features.online.storage import Online, Part
from features.rows import Layout, Rows
from features.selling.expressions import SCORES

__all__ = ["SqliteSource"]

_CURE = "cure: run `tenure features materialize`"
_EVENT = struct.Struct("<q").unpack_from
_ALONE = 4
"""Up to so many rows are unpacked one by one; above, column by column is faster."""


class SqliteSource:
    """The current generation of one file; the file may be replaced, lost or mended meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] = (0, 0)
        self._pointer: tuple[int, int] | None = None
        self._online: Online
        self._codecs: list[Codec]
        self._select = self._joined = ""
        self._layout: Layout

    def current(self) -> Online:
        """The generation that is online; NotReadyError if there is none."""
        with self._snapshot():
            return self._online

    def fetch(self, customer_ids: Sequence[str]) -> tuple[Online, list[Part]]:
        """The rows of every view, in the order of the generation's views."""
        with self._snapshot() as connection:
            online, codecs = self._online, self._codecs
            found: dict[str, tuple[bytes | None, ...]] = {}
            for start in range(0, len(customer_ids), IDS_A_QUERY):
                some = customer_ids[start : start + IDS_A_QUERY]
                rows = connection.execute(f"{self._select} ({marks(len(some))})", some)
                found.update((row[-1], row[:-1]) for row in rows)
        none = (None,) * len(codecs)
        blobs = [found.get(customer_id, none) for customer_id in customer_ids]
        return online, [_part(codec, [row[i] for row in blobs]) for i, codec in enumerate(codecs)]

    def rows(self, customer_ids: Sequence[str]) -> tuple[Online, Rows] | None:
        """A few customers, by one statement; None where another generation has come."""
        if self._pointer is None or len(customer_ids) > IDS_A_QUERY:
            return None
        found: dict[str, tuple[bytes | None, ...]] = {}
        try:
            # One statement sees one state: the pointer and the rows belong together.
            answer = self._connected().execute(f"{self._joined} ({marks(len(customer_ids))})", customer_ids)
            for number, revision, customer_id, *packed in answer.fetchall():
                if (number, revision) != self._pointer:
                    return None
                found[customer_id] = tuple(packed)
        except (
            sqlite3.Error
        ):  # the table may be gone with its generation; whoever asks the other way is told
            return None
        none = (None,) * len(self._codecs)
        packed_rows = [found.get(customer_id, none) for customer_id in customer_ids]
        return (self._online, self._layout.rows(packed_rows)) if found else None

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A read transaction on the current generation: pointer and rows belong together."""
        try:
            connection = self._connected()
            connection.execute("BEGIN")
            try:
                self._follow(connection)
                yield connection
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._disconnect()
            raise CorruptError(f"{self._path}: cannot be read; {_CURE}") from error

    def _connected(self) -> sqlite3.Connection:
        """The connection, opened anew where another file has taken the place of the one that was open."""
        try:
            facts = os.stat(self._path)  # noqa: PTH116 - on the path of every answer
        except OSError:
            self._disconnect()
            raise NotReadyError(f"{self._path}: no online features yet; {_CURE}") from None
        if self._connection is not None and (facts.st_dev, facts.st_ino) == self._file:
            return self._connection
        self._disconnect()
        self._connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=1,
            isolation_level=None,
            check_same_thread=False,
        )
        self._file = (facts.st_dev, facts.st_ino)
        if not is_ours(self._connection):
            self._disconnect()
            raise NotReadyError(f"{self._path}: not an online store of this edition; {_CURE}")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._pointer = None

    def _follow(self, connection: sqlite3.Connection) -> None:
        pointer = connection.execute("SELECT number, revision FROM pointer").fetchone()
        if pointer is None:
            raise NotReadyError(f"{self._path}: no online features yet; {_CURE}")
        if pointer == self._pointer:
            return
        [(facts,)] = connection.execute(
            "SELECT facts FROM generation WHERE number = ?", pointer[:1]
        ).fetchall()
        self._online = Online.from_json(facts)
        self._codecs = [Codec(view) for view in self._online.views]
        columns, table = ", ".join(quoted(v.name) for v in self._online.views), table_of(self._online)
        self._select = f"SELECT {columns}, customer_id FROM {table} WHERE customer_id IN"
        self._joined = (
            f"SELECT number, revision, customer_id, {columns} FROM pointer "
            f"LEFT JOIN {table} ON customer_id IN"
        )
        self._layout = Layout(self._codecs, tuple(SCORES))
        self._pointer = pointer


def _part(codec: Codec, rows: list[bytes | None]) -> Part:
    """Unpack one view of some customers; a row of another schema counts as missing."""
    sound = [row if row is not None and row[:8] == codec.hash else None for row in rows]
    events = [None if row is None else _EVENT(row, 8)[0] for row in sound]
    there = [row for row in sound if row is not None]
    empty: list[Any] = [None] * len(codec.names)
    if len(rows) <= _ALONE:
        values = [empty if row is None else codec.unpack(row) or empty for row in sound]
        if len(values) == 1:
            return Part(events, [[value] for value in values[0]])
        return Part(events, [list(column) for column in zip(*values, strict=True)])
    if len(there) == len(rows):
        return Part(events, codec.columns(there))
    dense = iter(zip(*codec.columns(there), strict=True)) if there else iter(())
    spread = [empty if row is None else next(dense) for row in sound]
    return Part(events, [list(column) for column in zip(*spread, strict=True)])
