"""Every engine computes every field alike; DuckDB is the reference, which oracles check elsewhere."""

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.catalogue import load_catalogue
from features.engines import DEFAULT_ENGINE, ENGINES, Job, engine_named
from features.engines.base import snapshot_file
from features.engines.spark import spark_session
from features.errors import InputError
from features.families import all_families
from features.history.load import import_folder
from features.home import Home
from features.simulate import simulate
from tests.features.conftest import Rows, day, row, write_bank

AS_OF = day("2024-03-01")  # the day after a leap day
REFERENCE = "duckdb"
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)


def silent(_: str) -> None:
    """Say nothing."""


def edge_rows() -> dict[str, Rows]:
    """What a simulated bank seldom has: ties, edges of windows, late and corrected rows, nulls."""
    told = {"joined_at": day("2020-02-29"), "valid_from": day("2020-02-29"), "known_at": day("2020-02-29")}
    nobody = dict.fromkeys(("income", "region", "gender", "preferred_channel"))
    customers = [
        row("customers", customer_id="E1", **told, **nobody, birth_date=None),
        row("customers", customer_id="E2", **told, birth_date=date(2000, 2, 29)),
        row("customers", customer_id="E3", **told, kind="business", consent_marketing=False),
        row("customers", customer_id="E3", joined_at=day("2020-02-29"), kind="business")
        | {"valid_from": AS_OF - TICK, "known_at": AS_OF, "region": "south"},
        row("customers", customer_id="E3", joined_at=day("2020-02-29"), kind="business")
        | {"valid_from": AS_OF - SECOND, "known_at": AS_OF + TICK, "region": "west"},
    ]
    held = [
        row("holdings", holding_id=f"EH{n}", customer_id=customer, product=product)
        for n, (customer, product) in enumerate(
            [
                ("E1", "current_account"),
                ("E2", "current_account"),
                ("E2", "loan"),
                ("E3", "savings_account"),
            ]
        )
    ]
    ends = [
        row("holdings", holding_id="EH9", customer_id="E3", product="card"),
        row("holdings", holding_id="EH9", customer_id="E3", product="card")
        | {"closed_at": AS_OF - SECOND, "close_reason": "customer", "known_at": AS_OF},
        row("holdings", holding_id="EH8", customer_id="E2", product="card")
        | {"closed_at": AS_OF, "close_reason": "customer", "known_at": AS_OF - SECOND},
    ]
    rates = [
        row("rates", currency="NOK", date=date(2022, 1, 1), rate=1.0625),
        row("rates", currency="NOK", date=date(2024, 2, 1)),
    ]
    return {
        "customers": customers,
        "holdings": [*held, *ends],
        "transactions": list(_bookings()),
        "interactions": list(_contacts()),
        "rates": rates,
    }


def _bookings() -> Iterator[dict[str, Any]]:
    edges = [AS_OF - timedelta(days=d) for d in (0, 1, 30, 90, 180, 365)]
    months = [day(m) for m in ("2024-02-01", "2024-02-29", "2023-12-01", "2023-09-01", "2023-03-01")]
    at = [moment + shift for moment in (*edges, *months) for shift in (-TICK, timedelta(0), TICK, SECOND)]
    for n, moment in enumerate((*at, at[3], at[3], at[-1])):  # three of them are ties
        currency, balance = ("NOK" if n % 5 == 0 else "EUR"), (None if n % 7 == 0 else n * 1_001)
        category = ("salary", "card", "cash_out", "fee", "standing_order")[n % 5]
        fact = row(
            "transactions",
            transaction_id=f"E{n:03d}",
            customer_id="E2",
            holding_id="EH2" if n % 4 == 0 else "EH1",
            at=moment,
            amount=(-1) ** n * (10_003 + n),
            currency=currency,
            category=category,
            channel=("app", "branch", "atm")[n % 3],
            balance_after=balance,
        )
        yield fact
        if n % 6 == 0:  # corrected: in time, in the last moment, too late
            known = max(moment, AS_OF) + (n % 3 - 1) * TICK
            yield fact | {"amount": 77_77 + n, "known_at": max(known, moment + TICK)}


def _contacts() -> Iterator[dict[str, Any]]:
    first = {"customer_id": "E3", "direction": "in", "channel": "call"}
    tie = AS_OF - timedelta(days=20)
    kinds: list[tuple[str, datetime, dict[str, Any]]] = [
        ("survey", tie, {"rating": 3.0}),
        ("survey", tie, {"rating": 9.5}),
        ("survey", AS_OF - timedelta(days=2), {"rating": None}),
        ("complaint", AS_OF - timedelta(days=9), {}),
        ("complaint", AS_OF - timedelta(days=40), {"resolved_at": AS_OF - TICK}),
        ("complaint", AS_OF - timedelta(days=50), {"resolved_at": AS_OF}),
        ("campaign", AS_OF - TICK, {"product": "card", "response": "refused"}),
        ("campaign", AS_OF, {"product": "card", "response": "refused"}),
        ("campaign", AS_OF - timedelta(days=730), {"product": "loan", "response": "opted_out"}),
        (
            "campaign",
            AS_OF - timedelta(days=730, seconds=1),
            {"product": "insurance", "response": "refused"},
        ),
        ("campaign", AS_OF - timedelta(days=9), {"product": None, "response": "refused"}),
        ("session", AS_OF - TICK, {"channel": "app"}),
        ("session", AS_OF, {"channel": "app"}),
    ]
    for n, (kind, at, more) in enumerate(kinds):
        yield row("interactions", interaction_id=f"E{n}", **first | {"kind": kind, "at": at} | more)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("engines")
    home = Home(folder / "home")
    options = {"append": False, "threads": 2, "memory": "1GB", "tell": silent}
    simulate(folder / "raw", home.truth, customers=400, months=24, seed=5, end=AS_OF, tell=silent)
    import_folder(folder / "raw", home, None, **options)
    edges = write_bank(folder / "edges", **edge_rows())
    options |= {"append": True, "accept_warnings": True, "max_quarantined": 0.0}
    import_folder(edges, home, None, **options)
    return home


def compute(home: Home, engine: str, folder: Path) -> Path:
    families = all_families(load_catalogue(home.catalogue))
    engine_named(engine)(Job(home, families, (AS_OF,), folder, 2, "1GB", silent))
    return snapshot_file(folder, AS_OF)


@pytest.fixture(scope="module")
def reference(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compute(home, REFERENCE, tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Spark for the file, told not to compile what so few rows would never repay."""
    folder = tmp_path_factory.mktemp("spark")
    plain = (
        "spark.sql.codegen.wholeStage false",
        "spark.sql.codegen.factoryMode NO_CODEGEN",
        "spark.sql.adaptive.enabled false",
        "spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1",
    )
    (folder / "spark-defaults.conf").write_text("\n".join(plain))
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("SPARK_CONF_DIR", str(folder))
        with spark_session(2, "1GB"):
            yield


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != REFERENCE])
def test_every_field_is_computed_alike(
    home: Home, reference: Path, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Integers, words, moments and money to the last cent; other numbers to 1e-11 of their size."""
    if engine == "spark":
        if not shutil.which("java") or not importlib.util.find_spec("pyspark"):
            pytest.skip("needs Java and PySpark (pip install 'tenure[spark]')")
        request.getfixturevalue("spark")
    expected, found = pq.read_table(reference), pq.read_table(compute(home, engine, tmp_path))
    assert found.schema.names == expected.schema.names
    assert [f.type for f in found.schema] == [f.type for f in expected.schema]
    assert {"E1", "E2", "E3"} <= set(expected["customer_id"].to_pylist())
    wrong = []
    for name in expected.schema.names:
        one, other = expected[name].combine_chunks(), found[name].combine_chunks()
        if str(one.type) == "double":
            gaps = one.is_null().equals(other.is_null())
            a, b = (c.fill_null(0.0).to_numpy() for c in (one, other))
            alike = gaps and np.allclose(a, b, rtol=1e-11, atol=0.0, equal_nan=True)
        else:
            alike = one.equals(other)
        wrong += [] if alike else [name]
    assert wrong == []


def test_the_edges_are_told_apart_by_the_reference(reference: Path) -> None:
    """The hand-made rows reach the features: else the comparison would say little."""
    rows = {r["customer_id"]: r for r in pq.read_table(reference).to_pylist()}
    assert rows["E1"]["bookings_count_365d"] == 0
    assert rows["E1"]["age_years"] is None
    assert rows["E2"]["age_years"] == 24
    # Of the six edges of 30 days and less, what is at or after as_of is not seen.
    assert rows["E2"]["bookings_count_30d"] > 10
    assert rows["E2"]["loan_outstanding"] != 0
    assert (rows["E3"]["region"], rows["E3"]["holds_card"]) == ("south", 0)
    assert (rows["E3"]["rating_last"], rows["E3"]["complaints_open"]) == (9.5, 2)
    refused = [rows["E3"][f"days_since_refusal_{p}"] for p in ("card", "loan", "insurance", "investment")]
    assert refused == [0, 730, None, None]


def test_an_engine_is_chosen_by_name() -> None:
    assert DEFAULT_ENGINE in ENGINES
    with pytest.raises(InputError, match="engine 'abacus': unknown; cure: choose one of"):
        engine_named("abacus")
