"""A home as it stood when an earlier generation was current, to train on what a run was trained on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from features.generations import generation_folder, generation_named, serve
from features.home import Home
from training.versions.recipe import Origin

__all__ = ["pinned"]


@contextmanager
def pinned(home: Home, origin: Origin) -> Iterator[Home]:
    """Yield a home whose current generation and catalogue are those of `origin`; all else is `home`'s.

    It consists of links, lies inside the home so that what spills stays on its disk, and is gone
    afterwards; the home itself is not changed. History is the home's own: outcomes are read as
    they were known at the generation's as_of, so what was imported later does not show.

    Raises
    ------
    NotReadyError
        If the generation is no longer there.
    """
    generation = generation_named(home, origin.generation)
    with TemporaryDirectory(prefix=".as-trained-", dir=home.path) as scratch:
        then = Home(Path(scratch))
        for room in home.path.iterdir():
            if room not in (home.offline, home.catalogue) and not room.name.startswith("."):
                (then.path / room.name).symlink_to(room)
        then.catalogue.write_text(origin.catalogue, encoding="utf-8")
        then.offline.mkdir()
        generation_folder(then, generation.name).symlink_to(generation_folder(home, generation.name))
        serve(then, generation)
        yield then
