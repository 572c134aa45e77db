"""Snapshots of every feature: one parquet file a moment, computed only where something changed."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.catalogue import load_catalogue
from features.engines import DEFAULT_ENGINE, Job, engine_named
from features.engines.base import snapshot_file
from features.errors import CorruptError, NotReadyError, RefusedError
from features.families import all_families
from features.families.base import Family
from features.gate import broken, removed, views_of
from features.generations import (
    Generation,
    current_generation,
    generation_folder,
    generation_named,
    read_entry,
    read_snapshot,
    serve,
    snapshot_path,
    verified_registry,
    write_generation,
)
from features.home import Home, read_json, write_whole_folder
from features.keys import declarations_hash, snapshot_key
from features.moments import supported_moments
from features.settings import Settings

__all__ = [
    "Build",
    "Generation",
    "build_snapshots",
    "current_generation",
    "generation_named",
    "read_snapshot",
    "snapshot_path",
]


@dataclass(frozen=True)
class Build:
    """What a build left as the current generation, and how: snapshots computed, and linked."""

    generation: Generation
    computed: int
    linked: int


@dataclass(frozen=True)
class _Plan:
    """What is to be built, beside what is there: `links` are the files that are still right."""

    generation: Generation
    families: Sequence[Family]
    previous: Generation | None
    links: dict[datetime, Path]

    @property
    def missing(self) -> tuple[datetime, ...]:
        return tuple(m for m in self.generation.snapshots if m not in self.links)


def build_snapshots(
    home: Home,
    as_of: datetime,
    months: int,
    settings: Settings,
    tell: Callable[[str], None],
    every: int = 1,
    engine: str = DEFAULT_ENGINE,
    *,
    accept: bool = False,
    allow_removal: bool = False,
    register: Callable[[Path, Path], None] | None = None,
) -> Build:
    """Make features at as_of and at earlier snapshots (`features.moments`) the current generation.

    A snapshot whose key equals that of the current generation is linked, not computed. If that
    holds for all of them, nothing is written. The new generation is served by one rename, last; a
    kill at any moment leaves the old one.

    Parameters
    ----------
    accept
        Serve the new generation even if its newest snapshot looks broken (`features.gate.broken`).
    allow_removal
        Let fields that the current generation has be dropped or change their type.
    register
        Called before the flip with the folder that is being written and the one it will be.

    Raises
    ------
    InputError
        If as_of is not a UTC midnight, months is negative, or there is no such engine.
    NotReadyError
        If there is no history.
    CorruptError
        If history lacks a column; nothing was written.
    RefusedError
        If history ends long before as_of or begins less than 180 days before it, if fields would
        be lost, or if the newest snapshot looks broken; the old generation stays.
    """
    compute = engine_named(engine)
    plan = _plan(home, as_of, supported_moments(home, as_of, months, settings, every))
    if plan.previous and _stands(home, plan, registered=register is not None):
        tell(f"nothing changed: {plan.previous.name} stays")
        return Build(plan.previous, 0, len(plan.links))
    if plan.previous and not allow_removal:
        _refuse_removal(home, plan.previous, plan.families)
    for left_over in home.offline.glob(".*.part"):
        shutil.rmtree(left_over, ignore_errors=True)
    final = generation_folder(home, plan.generation.name)
    with write_whole_folder(final) as part:
        for moment, path in plan.links.items():
            _link(path, snapshot_file(part, moment))
        if plan.links:
            tell(f"{len(plan.links)} snapshots are as they were")
        if plan.missing:
            means = (settings.threads, settings.memory, tell, settings.spark_master)
            compute(Job(home, plan.families, plan.missing, part, *means))
        if as_of in plan.missing and not accept:
            _refuse_broken(home, plan, part, settings)
        if register is not None:
            register(part, final)
        write_generation(part, plan.generation, views_of(plan.families))
    serve(home, plan.generation)
    return Build(plan.generation, len(plan.missing), len(plan.links))


def _plan(home: Home, as_of: datetime, moments: tuple[datetime, ...]) -> _Plan:
    catalogue = load_catalogue(home.catalogue)
    families = all_families(catalogue)
    declared = declarations_hash(families)
    manifest = read_json(home.history / "manifest.json", cure="run `tenure import` first")
    keys = tuple(snapshot_key(m, declared, catalogue.version, manifest) for m in moments)
    try:
        previous = current_generation(home)
    except NotReadyError:
        previous = None
    links = {}
    if previous:
        right = [m for m, key in zip(moments, keys, strict=True) if key in previous.keys]
        paths = {m: snapshot_path(home, previous, m) for m in right}
        links = {m: path for m, path in paths.items() if path.is_file()}
    return _Plan(Generation(_next_name(home, as_of), as_of, moments, keys), families, previous, links)


def _stands(home: Home, plan: _Plan, *, registered: bool) -> bool:
    """Whether the previous generation is already what is planned, and whole."""
    if plan.missing or plan.previous is None or plan.previous.keys != plan.generation.keys:
        return False
    try:
        return not registered or bool(verified_registry(generation_folder(home, plan.previous.name)))
    except CorruptError:
        return False


def _next_name(home: Home, as_of: datetime) -> str:
    """`<as_of>.<n>`: n counts the generations of the same as_of."""
    day = f"{as_of:%Y-%m-%d}"
    numbers = [int(folder.name.rpartition(".")[2]) for folder in home.offline.glob(f"{day}.*[0-9]")]
    return f"{day}.{max(numbers, default=0) + 1}"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _refuse_removal(home: Home, previous: Generation, families: Sequence[Family]) -> None:
    if lost := removed(read_entry(home, previous.name)["views"], views_of(families)):
        raise RefusedError(
            f"models and lists may need what {previous.name} has: {'; '.join(lost)}; "
            "cure: declare it again, or build with --allow-removal"
        )


def _refuse_broken(home: Home, plan: _Plan, part: Path, settings: Settings) -> None:
    """Hold the newest snapshot against the newest one before it, of this or the last generation."""
    as_of = plan.generation.as_of
    before = (
        {m: snapshot_path(home, plan.previous, m) for m in plan.previous.snapshots} if plan.previous else {}
    )
    before |= {m: snapshot_file(part, m) for m in plan.generation.snapshots}
    earlier = max((m for m, path in before.items() if m < as_of and path.is_file()), default=None)
    if earlier is None:
        return
    fields = [f for family in plan.families for f in family.fields]
    if found := broken(snapshot_file(part, as_of), before[earlier], fields, settings):
        raise RefusedError(
            f"features at {as_of:%Y-%m-%d} look broken beside {earlier:%Y-%m-%d}: {'; '.join(found)}; "
            "cure: look at what was imported last, or build with --accept"
        )
