"""One home with its open storages: what taking events works with."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property

from features.catalogue import load_catalogue
from features.errors import NotReadyError
from features.home import Home
from features.online.events import Events
from features.online.recompute import Recomputer
from features.online.storage import Online, Storage, open_storage
from features.settings import Settings
from features.vocabulary import Catalogue

__all__ = ["Room", "opened"]


@dataclass(frozen=True)
class Room:
    """One home with its open storages; the recomputer is made when it is first asked for."""

    home: Home
    storage: Storage
    stored: Events
    recompute: Callable[[], Recomputer]

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the bank sells, as it is now."""
        return load_catalogue(self.home.catalogue)

    @cached_property
    def recomputer(self) -> Recomputer:
        """The recomputer, made now where none is there yet."""
        return self.recompute()

    @property
    def online(self) -> Online:
        """The generation that is read.

        Raises
        ------
        NotReadyError
            If there is none.
        """
        online = self.storage.current()
        if online is None:
            cure = "cure: run `tenure features materialize`"
            raise NotReadyError(f"{self.home.path}: nothing is online; {cure}")
        return online


@contextmanager
def opened(
    home: Home, settings: Settings, storage: Storage | None = None, recomputer: Recomputer | None = None
) -> Iterator[Room]:
    """Open what is not open yet, and close it afterwards."""
    with ExitStack() as stack:

        def recompute() -> Recomputer:
            return recomputer or stack.enter_context(closing(Recomputer(home, settings)))

        if storage is None:
            storage = stack.enter_context(closing(open_storage(home, settings.online)))
        stored = stack.enter_context(closing(Events(home)))
        yield Room(home, storage, stored, recompute)
