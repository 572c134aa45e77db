"""A finished table, one row for each id and time, as a training set: read column by column and checked."""

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import InputError, first_five
from features.families.base import Field
from features.settings import Settings
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.datasets import TrainingSet
from training.tables.columns import DATES, NUMBERS, WORDS, kind_of, moments, numbers, words

__all__ = ["OUTCOME", "Columns", "Table", "read_table"]

OUTCOME = "outcome"
"""What the label is called in the training set, and the model's one head."""

_INDEX = re.compile(r"__index_level_\d+__")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Columns:
    """Which column is what; every other one that is not excluded is a feature.

    label
        0 or 1 (or false or true): whether it happened after `time`.
    """

    id: str
    time: str
    label: str
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """What could be learned from.

    left_out
        Columns that say nothing, name -> why.
    """

    examples: TrainingSet
    left_out: dict[str, str] = field(default_factory=dict)


def read_table(path: Path, columns: Columns, *, now: datetime, settings: Settings, tell: Tell) -> Table:
    """Read and check a parquet or CSV file.

    A column at a time is held beside the result, so memory is the table once, as float64 (float32 where
    that is exact). A time without a zone is taken as UTC. A CSV is rewritten as parquet first, below
    the system's temporary folder.

    Parameters
    ----------
    now
        UTC; rows later than this are refused.

    Raises
    ------
    InputError
        If the file is no table, a column is missing, holds dates or infinite values or nothing that a
        model can take, a label is not 0 or 1, a key is empty or twice there, or a time is in the future.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = pq.ParquetFile(_as_parquet(path, Path(scratch), settings))
        names = _feature_names(file.schema_arrow.names, columns, path)
        held = _keys(file, columns, now, path)
        held[OUTCOME] = _labels(file, columns.label, held, path)
        _refuse_dates(file, names, held[AS_OF], columns.time)
        fields, left_out = [], {}
        for name in names:
            column = file.read([name]).column(0)
            values, reason = _feature(name, column, held)
            if reason:
                left_out[name] = reason
                tell(f"column '{name}' is left out: {reason}")
                continue
            held[name] = values
            word = isinstance(values, pd.Categorical)
            fields.append(Field(name, "string" if word else "float64", "", name, name, null="null"))
    if not fields:
        raise InputError(f"{path}: no column that a model could learn from; cure: a table with features")
    # Without a copy each column stays a block of its own: the table is in memory once.
    frame = pd.DataFrame(held, copy=False)
    return Table(TrainingSet(frame, tuple(fields), (OUTCOME,), _fingerprint(path, columns)), left_out)


def _as_parquet(path: Path, scratch: Path, settings: Settings) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: not there; cure: name a parquet or CSV file")
    if path.suffix.lower() == ".parquet":
        try:
            pq.read_schema(path)
        except (pa.ArrowInvalid, OSError):
            raise InputError(f"{path}: not a whole parquet file; cure: write it anew") from None
        return path
    if not {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}:
        raise InputError(f"{path}: neither .parquet nor .csv; cure: name a parquet or CSV file")
    target = scratch / "table.parquet"
    with duckdb.connect(
        config={"threads": settings.threads, "memory_limit": settings.memory}
    ) as connection:
        try:
            # Every row is looked at for its types: a late word in a column of numbers is a word.
            source = connection.read_csv(str(path), header=True, sample_size=-1)
            source.write_parquet(str(target), compression="zstd")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0][:80]
            raise InputError(f"{path}: not a CSV with a header ({reason}); cure: write it anew") from None
    return target


def _feature_names(found: Sequence[str], columns: Columns, path: Path) -> list[str]:
    special = [columns.id, columns.time, columns.label]
    missing = [name for name in (*special, *columns.exclude) if name not in found]
    if missing:
        raise InputError(f"{path}: no column {missing[:5]}; cure: one of {first_five(sorted(found))}")
    if len(set(special)) < len(special) or set(special) & set(columns.exclude):
        raise InputError("--id, --time, --label and --exclude name one column twice; cure: name each once")
    if twice := sorted({name for name in found if list(found).count(name) > 1}):
        raise InputError(f"{path}: columns with the same name: {twice[:5]}; cure: rename them")
    names = [name for name in found if name not in {*special, *columns.exclude}]
    if taken := sorted({CUSTOMER_ID, AS_OF, OUTCOME} & set(names)):
        raise InputError(f"{path}: {taken} are names that Tenure gives; cure: rename or --exclude them")
    return names


def _keys(file: pq.ParquetFile, columns: Columns, now: datetime, path: Path) -> dict[str, Any]:
    ids = file.read([columns.id]).column(0).combine_chunks()
    if pa.types.is_dictionary(ids.type):
        ids = ids.dictionary_decode()
    if not (pa.types.is_integer(ids.type) or kind_of(ids.type) == WORDS):
        raise InputError(f"{path}: '{columns.id}' holds {ids.type}, no ids; cure: words or whole numbers")
    if ids.null_count:
        raise InputError(f"{path}: '{columns.id}' is empty in {ids.null_count} rows; cure: leave them out")
    id_of = ids.to_pandas()
    times = moments(columns.time, file.read([columns.time]).column(0))
    for bad, what in (
        (times.isna(), "is empty"),
        ((times > pd.Timestamp(now)).fillna(False), f"lies after {now:%Y-%m-%d %H:%M} UTC, in the future,"),
    ):
        if bad.any():
            raise InputError(
                f"{path}: '{columns.time}' {what} for ids {first_five(id_of[bad.to_numpy()])}; "
                "cure: leave those rows out"
            )
    twice = pd.DataFrame({CUSTOMER_ID: id_of, AS_OF: times}, copy=False).duplicated()
    if twice.any():
        raise InputError(
            f"{path}: ids with two rows of one time: {first_five(id_of[twice].unique())}; "
            "cure: one row for each id and time"
        )
    return {CUSTOMER_ID: id_of, AS_OF: times}


def _labels(file: pq.ParquetFile, name: str, keys: dict[str, Any], path: Path) -> np.ndarray[Any, Any]:
    column = file.read([name]).column(0)
    ids = keys[CUSTOMER_ID]
    if kind_of(column.type) != NUMBERS:
        raise InputError(f"{path}: label '{name}' holds {column.type}; cure: 0 for no, 1 for yes")
    values = numbers(column).astype(np.float64)
    if (gaps := np.isnan(values)).any():
        raise InputError(
            f"{path}: label '{name}' is empty for ids {first_five(ids[gaps])}; "
            "cure: leave out rows whose outcome is not known"
        )
    if (other := ~np.isin(values, (0.0, 1.0))).any():
        raise InputError(
            f"{path}: label '{name}' is neither 0 nor 1 for ids {first_five(ids[other])}; "
            "cure: 0 for no, 1 for yes"
        )
    if len(np.unique(values)) < 2:
        raise InputError(f"{path}: label '{name}' shows one outcome only; cure: rows of both outcomes")
    return values


def _refuse_dates(file: pq.ParquetFile, names: Sequence[str], times: "pd.Series[Any]", time: str) -> None:
    told = []
    for name in names:
        if kind_of(file.schema_arrow.field(name).type) == DATES:
            later = int((moments(name, file.read([name]).column(0)) > times).sum())
            known_after = f" (later than '{time}' in {later:,} rows: known only after)" if later else ""
            told.append(f"'{name}'{known_after}")
    if told:
        raise InputError(
            f"columns of dates: {first_five(told)}; cure: --exclude those known only after '{time}', and "
            f"turn the others into days before '{time}'"
        )


def _feature(name: str, column: pa.ChunkedArray, keys: dict[str, Any]) -> tuple[Any, str]:
    """A column's values, and why it is left out; one of the two."""
    if _INDEX.fullmatch(name):
        return None, "the row numbers that pandas wrote"
    if column.null_count == len(column):
        return None, "no value in any row"
    kind = kind_of(column.type)
    if kind == WORDS:
        return words(name, column)
    if kind != NUMBERS:
        raise InputError(
            f"column '{name}' holds {column.type}; cure: --exclude it, or turn it into numbers"
        )
    values = numbers(column)
    if (wild := np.isinf(values)).any():
        raise InputError(
            f"column '{name}' is infinite for ids {first_five(keys[CUSTOMER_ID][wild])}; "
            "cure: leave those values empty"
        )
    if np.isnan(values).all():
        return None, "no value in any row"
    if not np.isnan(values).any() and values.min() == values.max():
        return None, "the same value in every row"
    return values, ""


def _fingerprint(path: Path, columns: Columns) -> str:
    with path.open("rb") as file:
        held = hashlib.file_digest(file, "sha256")
    held.update(repr(columns).encode())
    return held.hexdigest()
