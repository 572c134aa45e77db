"""One connection that is kept open, and whole transactions on it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from features.database.address import Where
from features.database.backend import Backend, Log, backend_of
from features.errors import NotReadyError

__all__ = ["Session"]


class Session:
    """Transactions on one connection, which is opened by the first and anew where it was lost.

    Not for two threads at the same time.

    Parameters
    ----------
    prepare
        Makes the tables, or refuses them; called once a connection, within its first transaction.
    cure
        What to run where there is nothing to read yet.
    """

    def __init__(self, where: Where, prepare: Callable[[Backend, Log, Where], None], cure: str) -> None:
        self.where, self.backend = where, backend_of(where)
        self._prepare, self._cure = prepare, cure
        self._log: Log | None = None

    @contextmanager
    def transaction(self, *, only_read: bool = False) -> Iterator[Log]:
        """One transaction: committed at the end, rolled back by any error.

        Raises
        ------
        NotReadyError
            If there is nothing to read yet, or the database does not answer, or another one writes.
        FullError
            If there is no room; nothing was written.
        ConfigError, CorruptError
            If the database does not let us in, or is damaged.
        """
        if self._log is not None and not self.backend.usable(self._log):
            self.close()
        if only_read and self._log is None:
            self.need()
        with self.backend.errors():
            fresh = self._log is None
            log = self._log = self._log or self.backend.connect()
            try:
                self.backend.begin(log, only_read)
                if fresh:
                    self._prepare(self.backend, log, self.where)
                yield log
                log.execute("COMMIT")
            except BaseException:
                self._give_up(log, fresh)
                raise

    def scrub(self, tables: Sequence[str]) -> None:
        """Overwrite what rows left behind that a transaction before this one deleted."""
        if self._log is not None:
            with self.backend.errors():
                self.backend.scrub(self._log, tables)

    def ready(self) -> bool:
        """Whether anything was ever recorded there."""
        with self.backend.errors():
            return (self._log is not None and self.backend.usable(self._log)) or self.backend.exists()

    def need(self) -> None:
        """Raise NotReadyError if nothing was ever recorded there."""
        if not self.ready():
            raise NotReadyError(f"{self.where}: no decisions yet; cure: {self._cure}")

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        if self._log is not None:
            log, self._log = self._log, None
            log.close()

    def _give_up(self, log: Log, fresh: bool) -> None:
        # Tables that were made are rolled back too, so a fresh connection is fresh no more.
        if fresh or not self.backend.usable(log):
            self.close()
        elif self.backend.in_transaction(log):
            try:
                log.execute("ROLLBACK")
            except Exception:
                self.close()
                raise
