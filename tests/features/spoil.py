"""What a bank may do wrong: each returns a change to a valid folder of tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from tests.features.conftest import as_table

Break = Callable[[Path], None]


def to_csv(folder: Path) -> Path:
    for file in sorted(folder.glob("*.parquet")):
        pc.write_csv(pq.read_table(file), file.with_suffix(".csv"))
        file.unlink()
    return folder


def state(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def change(name: str, column: str, values: Callable[[list[Any]], Any]) -> Break:
    """Replace one column by what `values` makes of its Python values."""

    def apply(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        rows = pq.read_table(file)
        new = values(rows[column].to_pylist())
        new = new if isinstance(new, pa.Array) else pa.array(new, rows.schema.field(column).type)
        place = rows.column_names.index(column)
        pq.write_table(rows.set_column(place, pa.field(column, new.type), new), file)

    return apply


def set_to(name: str, column: str, value: Any, at: int = 0) -> Break:
    return change(name, column, lambda old: [value if i == at else v for i, v in enumerate(old)])


def drop(name: str, column: str) -> Break:
    def apply(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        pq.write_table(pq.read_table(file).drop_columns([column]), file)

    return apply


def add(name: str, *rows: dict[str, Any]) -> Break:
    def apply(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        pq.write_table(pa.concat_tables([pq.read_table(file), as_table(name, list(rows))]), file)

    return apply


def add_column(name: str, column: str) -> Break:
    def apply(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        rows = pq.read_table(file)
        pq.write_table(rows.append_column(column, pa.array(["1234"] * len(rows))), file)

    return apply


def file_as(name: str, content: Callable[[bytes], bytes]) -> Break:
    def apply(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        file.write_bytes(content(file.read_bytes()))

    return apply


def damage(content: bytes) -> bytes:
    """Overwrite the data pages and leave the footer whole."""
    return content[:4] + b"\xff" * 600 + content[604:]


def replace_text(name: str, old: str, new: str, count: int = -1) -> Break:
    def apply(folder: Path) -> None:
        file = folder / f"{name}.csv"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, count))

    return apply
