"""Executors of the feature declarations: each computes the same snapshots, to the bit or nearly so."""

from collections.abc import Callable, Mapping

from features.engines import duckdb
from features.engines.base import Engine, Job
from features.errors import InputError

__all__ = ["DEFAULT_ENGINE", "ENGINES", "Job", "engine_named"]


def _compiled() -> Engine:
    from features.engines import compiled

    return compiled.write_snapshots


def _spark() -> Engine:
    from features.engines import spark

    return spark.write_snapshots


ENGINES: Mapping[str, Callable[[], Engine]] = {
    "compiled": _compiled,
    "duckdb": lambda: duckdb.write_snapshots,
    "spark": _spark,
}
"""Name -> how to get the engine; an engine is imported when it is asked for."""

DEFAULT_ENGINE = "compiled"


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
