"""Cells of the compiled pass beside the oracle's."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.engines.compiled.found import Moment
from features.engines.compiled.sweep import sweep
from features.families import all_families
from features.simulate.laws import shipped
from tests.features import oracle
from tests.features.memory_bank import prepared

FAMILIES = all_families(shipped())
WINDOWS = [w for family in FAMILIES for w in family.windows]
LEVELS = [level for family in FAMILIES for level in family.levels]
Rows = list[dict[str, Any]]


def compare(
    booked: Rows, met: Rows, customers: list[str], moments: tuple[datetime, ...], most: int
) -> tuple[int, list[Any]]:
    """How many cells were compared, and which differ: moment, customer, field, found, expected.

    `customers` rise; each has one loan, L-<customer>; `most` is the rows of one run of the pass.
    """
    rows = {"transactions": prepared(booked, "transactions"), "interactions": prepared(met, "interactions")}
    loans = pa.table({"customer_id": customers, "holding_id": [f"L-{c}" for c in customers]})
    asked = [Moment(m, pa.array(customers), loans) for m in moments]
    with tempfile.TemporaryDirectory() as folder:
        for name, table in rows.items():
            pq.write_table(table, Path(folder) / f"{name}.parquet", row_group_size=4)
        found = list(sweep(Path(folder), asked, FAMILIES, 2, Path(folder), most))
    money, talk = (rows[name].to_pylist() for name in ("transactions", "interactions"))
    compared, wrong = 0, []
    for place, customer in enumerate(customers):
        own = [r for r in money if r["customer_id"] == customer]
        said = [r for r in talk if r["customer_id"] == customer]
        for moment, columns in zip(moments, found, strict=True):
            expected = _expected(own, said, customer, moment)
            for name, value in expected.items():
                compared += 1
                cell = columns[name][place].as_py()
                # A sum over nothing is 0 where the field's null policy says so.
                if cell != value and (cell or None) != value:
                    wrong.append((moment, customer, name, cell, value))
    return compared, wrong


def _expected(own: Rows, said: Rows, customer: str, moment: datetime) -> dict[str, Any]:
    money = oracle.as_known(own, ("transaction_id",), moment)
    talk = oracle.as_known(said, ("interaction_id",), moment)
    expected = {w.field.name: oracle.window(w, money, talk, moment) for w in WINDOWS}
    return expected | {lv.field.name: oracle.level(lv, money, {f"L-{customer}"}, moment) for lv in LEVELS}
