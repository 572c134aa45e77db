import json
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue, shipped_catalogue
from features.errors import ConfigError, InputError, NotReadyError
from features.history.check import check_folder
from features.history.contract import BY_NAME, TABLES
from features.history.derive import sorted_select
from features.history.engine import engine
from features.history.load import ImportSummary, import_folder
from features.history.read import connect
from features.home import Home
from tests.features.conftest import as_table, day, row, tiny_rows, write_bank


def load(source: Path, home: Home, catalogue: bytes | None = None, **options: Any) -> ImportSummary:
    options = {"append": False, "threads": 1, "memory": "500MB", "tell": lambda _: None} | options
    return import_folder(source, home, catalogue, **options)


def stored(home: Home, name: str) -> list[dict[str, Any]]:
    return pq.read_table(home.history / f"{name}.parquet").to_pylist()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_history_is_sorted_numbered_and_carries_its_versions(tiny_bank: Path, home: Home) -> None:
    told: list[str] = []
    summary = load(tiny_bank, home, tell=told.append)
    transactions = stored(home, "transactions")
    order = [(t["customer_id"], t["at"], t["transaction_id"]) for t in transactions]
    assert order == sorted(order)
    assert [t["seq"] for t in transactions] == list(range(24))
    closing = [h for h in stored(home, "holdings") if h["holding_id"] == "H2"]
    assert [(h["closed_at"], h["known_until"]) for h in closing] == [
        (None, day("2024-03-21")),
        (day("2024-03-20"), None),
    ]
    # Another valid_from is another fact, not a newer version of the same one.
    assert {c["known_until"] for c in stored(home, "customers")} == {None}
    assert summary.rows == summary.added
    assert summary.report.ok
    assert any("transactions" in line for line in told)
    json.dumps(summary.to_dict())


def test_money_is_converted_by_the_rate_of_its_day(tiny_bank: Path, home: Home) -> None:
    load(tiny_bank, home)
    foreign = [t for t in stored(home, "transactions") if t["currency"] == "USD"]
    assert [t["at"].month for t in foreign] == [1, 2, 3, 4]
    # -1,500.50 at 0.90, and at 0.95 from March; half a cent goes away from zero.
    assert [t["amount_reporting"] for t in foreign] == [-135_045, -135_045, -142_548, -142_548]
    for t in stored(home, "transactions"):
        if t["currency"] == "EUR":
            assert (t["amount_reporting"], t["balance_reporting"]) == (t["amount"], t["balance_after"])


_DAYS = st.integers(0, 20).map(lambda n: date(2024, 1, 1) + timedelta(days=n))
_RATES = st.lists(
    st.tuples(_DAYS, st.integers(0, 5), st.sampled_from([0.25, 0.5, 2.0])),
    max_size=8,
    unique_by=lambda r: r[:2],
)


@settings(max_examples=40, deadline=None)
@given(_RATES, st.lists(st.tuples(_DAYS, st.integers(-(10**12), 10**12)), min_size=1, max_size=6))
def test_a_booking_takes_the_newest_rate_that_was_known(rates: list[Any], bookings: list[Any]) -> None:
    def midnight(d: date) -> datetime:
        return datetime(d.year, d.month, d.day, tzinfo=UTC)

    # Known before the first booking, so that each one finds a rate.
    rates = [(date(2023, 12, 31), 0, 1.0), *rates]
    quotes = [(d, midnight(d) + timedelta(days=late), rate) for d, late, rate in rates]
    tables = {
        "rates": [row("rates", date=d, known_at=known, rate=rate) for d, known, rate in quotes],
        "transactions": [
            row("transactions", transaction_id=f"T{i}", at=midnight(d), amount=amount, currency="USD")
            for i, (d, amount) in enumerate(bookings)
        ],
    }
    with engine(1, "500MB") as (connection, _):
        for name, rows in tables.items():
            connection.register(f"all_{name}", as_table(name, rows))
            ids = ", ".join(BY_NAME[name].id)
            connection.execute(f"CREATE TABLE repeated_{name} AS SELECT {ids} FROM all_{name} WHERE false")
        select = sorted_select(connection, BY_NAME["transactions"], "EUR")
        found = connection.execute(select).to_arrow_table().to_pylist()
    for t in found:
        known = [(d, since, rate) for d, since, rate in quotes if d <= t["at"].date() and since <= t["at"]]
        exact = Decimal(t["amount"]) * Decimal(max(known)[2])
        assert t["amount_reporting"] == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def test_appending_twice_changes_nothing(tiny_bank: Path, home: Home) -> None:
    first = load(tiny_bank, home)
    bytes_of = {t.name: (home.history / f"{t.name}.parquet").read_bytes() for t in TABLES}
    again = load(tiny_bank, home, append=True)
    assert again.rows == first.rows
    assert set(again.added.values()) == {0}
    assert bytes_of == {t.name: (home.history / f"{t.name}.parquet").read_bytes() for t in TABLES}


def test_history_in_steps_is_history_at_once(tmp_path: Path, tiny_bank: Path, home: Home) -> None:
    rows = tiny_rows()
    cut = day("2024-03-01")
    first = {name: [r for r in table if r["known_at"] < cut] for name, table in rows.items()}
    later = {name: [r for r in table if r["known_at"] >= cut] for name, table in rows.items()}
    load(write_bank(tmp_path / "first", **first), home)
    del later["customers"]  # nothing new there: the table may stay away
    load(write_bank(tmp_path / "later", **later), home, append=True)
    once = Home(tmp_path / "once")
    load(tiny_bank, once)
    for table in TABLES:
        assert stored(home, table.name) == stored(once, table.name)


def test_a_correction_is_a_new_version_and_a_changed_row_is_refused(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    before = stored(home, "transactions")
    old = {k: v for k, v in before[0].items() if k in {c.name for c in BY_NAME["transactions"].columns}}
    with pytest.raises(
        InputError, match=f"differs from a row .* stored: {old['transaction_id']}; cure: write a corr"
    ):
        load(write_bank(tmp_path / "changed", transactions=[old | {"amount": 1}]), home, append=True)
    assert stored(home, "transactions") == before
    newer = old | {"amount": 1, "known_at": day("2024-06-01")}
    load(write_bank(tmp_path / "corrected", transactions=[newer]), home, append=True)
    versions = [t for t in stored(home, "transactions") if t["transaction_id"] == old["transaction_id"]]
    assert [(t["amount"], t["known_until"]) for t in versions] == [
        (old["amount"], day("2024-06-01")),
        (1, None),
    ]


def test_new_rows_may_refer_to_stored_ones_but_not_to_nothing(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    fine = row("transactions", transaction_id="N1", at=day("2024-05-01"), currency="USD")
    load(write_bank(tmp_path / "fine", transactions=[fine]), home, append=True)
    with pytest.raises(InputError, match=r"transactions.parquet: column 'customer_id': .* not there: N2"):
        stray = row("transactions", transaction_id="N2", customer_id="C9")
        load(write_bank(tmp_path / "stray", transactions=[stray]), home, append=True)
    assert len(stored(home, "transactions")) == 25


def test_there_must_be_something_to_append_to(tiny_bank: Path, home: Home) -> None:
    with pytest.raises(NotReadyError, match="cure: import without --append"):
        load(tiny_bank, home, append=True)


def test_the_same_bytes_from_text_and_with_more_threads(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    text = tmp_path / "text"
    text.mkdir()
    for table in TABLES:
        pc.write_csv(pq.read_table(tiny_bank / f"{table.name}.parquet"), text / f"{table.name}.csv")
    other = Home(tmp_path / "other")
    load(text, other, threads=2)
    for table in TABLES:
        file = f"{table.name}.parquet"
        assert (home.history / file).read_bytes() == (other.history / file).read_bytes()


def test_stored_history_passes_its_own_check_and_imports_again(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    report = check_folder(home.history, load_catalogue(home.catalogue))
    assert report.ok, report.to_text()
    assert {table.ignored for table in report.tables} == {()}
    copy = Home(tmp_path / "copy")
    load(home.history, copy)
    assert stored(copy, "transactions") == stored(home, "transactions")


def test_the_catalogue_is_given_kept_or_shipped(tiny_bank: Path, home: Home) -> None:
    load(tiny_bank, home)
    assert home.catalogue.read_bytes() == shipped_catalogue()
    own = shipped_catalogue() + b"\n# our own\n"
    load(tiny_bank, home, own)
    load(tiny_bank, home, None)
    assert home.catalogue.read_bytes() == own
    with pytest.raises(ConfigError, match=r"^catalogue.toml: not valid TOML"):
        load(tiny_bank, home, b"[bank")
    assert home.catalogue.read_bytes() == own


def test_a_refused_import_leaves_no_trace(tmp_path: Path, home: Home) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError):
        load(tmp_path / "nowhere", home)
    assert sorted(tmp_path.iterdir()) == before


def test_the_manifest_names_sources_rows_and_hashes(tiny_bank: Path, home: Home) -> None:
    load(tiny_bank, home)
    load(tiny_bank, home, append=True)
    manifest = json.loads((home.history / "manifest.json").read_text())
    assert manifest["tables"]["transactions"]["rows"] == 24
    assert manifest["tables"]["transactions"]["first"] == "2024-01-03T08:30:00+00:00"
    assert [source["append"] for source in manifest["sources"]] == [False, True]
    assert len(manifest["sources"][0]["files"]["rates.parquet"]) == 64


def test_every_table_is_a_view_even_if_the_bank_has_none(tmp_path: Path, home: Home) -> None:
    with pytest.raises(NotReadyError, match="cure: run `tenure import`"):
        connect(home, 1, "500MB")
    rows = {name: table for name, table in tiny_rows().items() if name in ("customers", "holdings")}
    load(write_bank(tmp_path / "bank", **rows, transactions=[row("transactions")]), home)
    history = connect(home, 1, "500MB")
    assert set(history.list_tables()) == {table.name for table in TABLES}
    assert history.table("interactions").count().execute() == 0
    transactions = history.table("transactions")
    assert str(transactions.schema()["at"]) == "timestamp('UTC', 6)"
    assert transactions.amount.sum().execute() == 100_00
