"""Prices that stand for some customers, so that not every answer counts the log anew."""

import os
from datetime import datetime

from features.home import Home
from serving.deciding.pacing import Pacer, Priced

__all__ = ["Standing"]


class Standing:
    """A pacer's prices, asked for again after as many customers as they may stand for.

    They are asked for before that where another plan was made, and each minute: then a plan's days go on.
    """

    def __init__(self, pacer: Pacer, home: Home) -> None:
        self._pacer, self._plan = pacer, home.plans / "current.json"
        self._sign: object = None
        self._priced: Priced | None = None
        self._left = 0

    def take(self, now: datetime | None, customers: int) -> tuple[Priced, int]:
        """Prices for some customers, and for how many of them, at least one.

        Raises
        ------
        CorruptError
            If the last plan's file is not a plan's.
        """
        sign = (self._file(), now and now.replace(second=0, microsecond=0))
        if self._priced is None or not self._left or sign != self._sign:
            self._priced, self._sign = self._pacer.priced(now), sign
            self._left = self._priced.at_once
        taken = min(self._left, customers)
        self._left -= taken
        return self._priced, taken

    def _file(self) -> tuple[int, int]:
        try:
            facts = os.stat(self._plan)  # noqa: PTH116 - on the path of every answer
        except OSError:
            return 0, 0
        return facts.st_ino, facts.st_mtime_ns
