"""Executors of the feature declarations: each computes the same snapshots, to the bit or nearly so."""

from collections.abc import Callable, Mapping

from features.engines import duckdb
from features.engines.base import Engine, Job
from features.errors import InputError

__all__ = ["ENGINES", "Job", "engine_named"]

ENGINES: Mapping[str, Callable[[], Engine]] = {"duckdb": lambda: duckdb.write_snapshots}
"""Name -> how to get the engine; an engine is imported when it is asked for."""


def engine_named(name: str) -> Engine:
    """The engine of that name.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    if name not in ENGINES:
        raise InputError(f"engine '{name}': unknown; cure: choose one of {', '.join(ENGINES)}")
    return ENGINES[name]()
