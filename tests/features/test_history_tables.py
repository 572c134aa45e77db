from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.history.contract import BY_NAME, TABLES
from features.history.tables import arrow_schema, find_files, write_table
from tests.features.conftest import as_table, row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_is_written_reads_back_with_the_contracts_types(tmp_path: Path, table) -> None:
    rows = as_table(table.name, [row(table.name)])
    path = write_table(tmp_path, table.name, rows)
    assert pq.read_schema(path).names == [column.name for column in table.columns]
    assert pq.read_table(path).equals(rows)
    assert find_files(tmp_path, table) == (path,)


def test_other_types_are_cast_and_columns_put_in_order(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "known_at": pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("ns", tz="UTC")),
            "rate": pa.array([1], pa.int32()),
            "date": pa.array([datetime(2024, 1, 1)], pa.timestamp("us")),
            "currency": pa.array(["USD"]).dictionary_encode(),
            "extra": ["left out"],
        }
    )
    assert pq.read_table(write_table(tmp_path, "rates", rows)).schema.equals(arrow_schema(BY_NAME["rates"]))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", pa.array([10.5])),
        ("amount", None),
        ("at", pa.array(["yesterday"])),
        ("customer_id", [None]),
    ],
)
def test_what_cannot_be_cast_is_refused_by_column(tmp_path: Path, column: str, values) -> None:
    rows = as_table("transactions", [row("transactions")]).drop_columns([column])
    if values is not None:
        rows = rows.append_column(
            column, values if isinstance(values, pa.Array) else pa.array(values, pa.string())
        )
    with pytest.raises(InputError, match=f"transactions: column '{column}' .*cure:"):
        write_table(tmp_path, "transactions", rows)
    assert not list(tmp_path.iterdir())
