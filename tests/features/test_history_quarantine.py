"""Rows that break the contract are set aside with their reason; everything else goes on."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from features.history.contract import BY_NAME, TABLES
from features.history.load import ImportSummary, import_folder
from features.home import Home
from tests.features.conftest import day, row, tiny_rows, write_bank
from tests.features.spoil import Break, add, change, replace_text, set_to, state, to_csv


def load(source: Path, home: Home, **options: Any) -> ImportSummary:
    options = {
        "append": False,
        "threads": 1,
        "memory": "500MB",
        "tell": lambda _: None,
        "max_quarantined": 1.0,
    } | options
    return import_folder(source, home, None, **options)


def stored(home: Home, name: str) -> list[dict[str, Any]]:
    return pq.read_table(home.history / f"{name}.parquet").to_pylist()


def set_aside(home: Home, name: str) -> list[dict[str, Any]]:
    file = home.history / "quarantine" / f"{name}.parquet"
    return pq.read_table(file).to_pylist() if file.is_file() else []


def entries(home: Home) -> list[dict[str, Any]]:
    return json.loads((home.history / "manifest.json").read_text())["sources"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def booking(number: str, **values: Any) -> dict[str, Any]:
    return row("transactions", transaction_id=number, at=day("2024-04-20"), **values)


def twice(**changed: Any) -> Break:
    return add("transactions", booking("X1"), booking("X1", **changed))


BROKEN: list[tuple[str, Break, str, str, list[str]]] = [
    # table, what a bank did, and the ids and reasons of what is set aside there
    ("transactions", set_to("transactions", "category", None), "empty", "transaction_id", ["T010"]),
    (
        "transactions",
        set_to("transactions", "category", "gambling"),
        "not_allowed",
        "transaction_id",
        ["T010"],
    ),
    ("transactions", set_to("transactions", "amount", 2**62), "out_of_range", "transaction_id", ["T010"]),
    (
        "interactions",
        set_to("interactions", "rating", float("inf")),
        "out_of_range",
        "interaction_id",
        ["I1"],
    ),
    ("rates", set_to("rates", "rate", 1e308, at=1), "out_of_range", "date", ["2024-03-01"]),
    ("rates", set_to("rates", "rate", float("nan"), at=1), "out_of_range", "date", ["2024-03-01"]),
    ("holdings", set_to("holdings", "product", "yacht", at=4), "unknown_product", "holding_id", ["H4"]),
    (
        "transactions",
        add("transactions", booking("X1", currency="XXX")),
        "unknown_currency",
        "transaction_id",
        ["X1"],
    ),
    (
        "transactions",
        add("transactions", row("transactions", transaction_id="X1", at=day("2023-12-31"), currency="USD")),
        "no_rate_yet",
        "transaction_id",
        ["X1"],
    ),
    (
        "holdings",
        add("holdings", row("holdings", holding_id="H9", closed_at=day("2019-12-31"))),
        "end_before_start",
        "holding_id",
        ["H9"],
    ),
    ("transactions", twice(), "duplicate", "transaction_id", ["X1"]),
    ("transactions", twice(amount=5), "duplicate", "transaction_id", ["X1", "X1"]),
    (
        "transactions",
        add("transactions", booking("X1", customer_id="C9")),
        "orphan",
        "transaction_id",
        ["X1"],
    ),
    (
        "transactions",
        add("transactions", booking("X1", holding_id="H3")),
        "orphan",
        "transaction_id",
        ["X1"],
    ),
]


@pytest.mark.parametrize(
    ("name", "spoil", "reason", "column", "ids"), BROKEN, ids=[f"{b[0]} {b[2]} {b[4]}" for b in BROKEN]
)
def test_a_broken_row_is_set_aside_with_its_reason_and_counted_everywhere(
    tmp_path: Path,
    tiny_bank: Path,
    home: Home,
    name: str,
    spoil: Break,
    reason: str,
    column: str,
    ids: list[str],
) -> None:
    spoil(tiny_bank)
    read = {t.name: pq.read_table(tiny_bank / f"{t.name}.parquet").num_rows for t in TABLES}
    summary = load(tiny_bank, home)
    aside = set_aside(home, name)
    assert [r[column] for r in aside] == ids
    assert {r["reason"] for r in aside} == {reason}
    assert list(aside[0]) == [*(c.name for c in BY_NAME[name].columns), "reason"]
    assert summary.quarantined == {name: len(ids)}
    assert summary.rows[name] == read[name] - len(ids) == len(stored(home, name))
    [quality] = [t for t in summary.report.tables if t.name == name]
    assert (quality.quarantined, dict(quality.reasons)) == (len(ids), {reason: len(ids)})
    [entry] = entries(home)
    assert entry["quarantined"] == {name: {reason: len(ids)}}
    assert entry["added"] == summary.rows


def test_what_is_known_after_the_moment_of_the_import_is_set_aside(tiny_bank: Path, home: Home) -> None:
    add("transactions", booking("X1", known_at=day("2024-09-02")))(tiny_bank)
    assert load(tiny_bank, home).quarantined == {}
    assert load(tiny_bank, home, now=day("2024-09-01")).quarantined == {"transactions": 1}
    assert [(r["transaction_id"], r["reason"]) for r in set_aside(home, "transactions")] == [
        ("X1", "in_future")
    ]


def test_rows_that_refer_to_a_set_aside_row_follow_it(tiny_bank: Path, home: Home) -> None:
    set_to("customers", "kind", "ghost", at=2)(tiny_bank)
    summary = load(tiny_bank, home)
    assert summary.quarantined == {"customers": 1, "holdings": 1, "transactions": 8}
    assert {r["reason"] for r in set_aside(home, "transactions")} == {"orphan"}
    assert {t["customer_id"] for t in stored(home, "transactions")} == {"C1", "C2"}


def test_a_set_aside_rate_takes_the_bookings_it_alone_could_convert(tiny_bank: Path, home: Home) -> None:
    change("rates", "rate", lambda v: [-x for x in v])(tiny_bank)
    summary = load(tiny_bank, home)
    assert summary.quarantined == {"rates": 2, "transactions": 4}
    assert {r["reason"] for r in set_aside(home, "transactions")} == {"unknown_currency"}


def test_an_amount_that_no_rate_can_bring_into_bounds_is_set_aside(tiny_bank: Path, home: Home) -> None:
    set_to("rates", "rate", 1e8, at=1)(tiny_bank)
    add("transactions", booking("X1", amount=10**11, currency="USD"), booking("X2", amount=10**11))(
        tiny_bank
    )
    assert load(tiny_bank, home).quarantined == {"transactions": 1}
    assert [r["transaction_id"] for r in set_aside(home, "transactions")] == ["X1"]


def test_several_reasons_are_joined(tiny_bank: Path, home: Home) -> None:
    set_to("transactions", "category", "gambling")(tiny_bank)
    set_to("transactions", "currency", "")(tiny_bank)
    load(tiny_bank, home)
    [aside] = set_aside(home, "transactions")
    assert aside["reason"] == "empty, not_allowed, unknown_currency"


def test_a_cell_that_cannot_be_read_is_kept_as_it_stands(tiny_bank: Path, home: Home) -> None:
    to_csv(tiny_bank)
    replace_text("transactions", ",200000,", ",2000.00,", 1)(tiny_bank)
    replace_text("transactions", "2024-02-03 08:30:00.000000Z", "2024-02-03 08:30:00", 1)(tiny_bank)
    summary = load(tiny_bank, home)
    aside = {r["transaction_id"]: r for r in set_aside(home, "transactions")}
    assert {k: v["reason"] for k, v in aside.items()} == {"T010": "not_cents", "T020": "naive"}
    assert aside["T010"]["amount"] == "2000.00"
    assert aside["T020"]["at"] == "2024-02-03 08:30:00"
    assert summary.rows["transactions"] == 22


def test_the_rest_is_stored_as_if_the_broken_rows_had_never_come(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    add("transactions", booking("X1", category="gambling"), booking("X2"), booking("X2", amount=3))(
        tiny_bank
    )
    other = Home(tmp_path / "other")
    load(tiny_bank, other)
    for table in TABLES:
        file = f"{table.name}.parquet"
        assert (home.history / file).read_bytes() == (other.history / file).read_bytes()


def test_more_than_the_limit_stops_the_import_and_writes_nothing(tiny_bank: Path, home: Home) -> None:
    load(tiny_bank, home)
    good = state(home.path)
    add("transactions", booking("X1", category="gambling"), booking("X2", currency="XXX"))(tiny_bank)
    with pytest.raises(InputError) as refused:
        load(tiny_bank, home, max_quarantined=0.05)
    told = str(refused.value)
    assert told.startswith(
        "transactions.parquet: 2 of 26 rows (7.69%) break the contract, more than the limit of 5.00%: "
        "not_allowed 1, unknown_currency 1: X1, X2; cure: "
    )
    assert state(home.path) == good
    assert load(tiny_bank, home, max_quarantined=2 / 26).quarantined == {"transactions": 2}


def test_a_table_of_which_nothing_is_left_is_refused_at_any_limit(tiny_bank: Path, home: Home) -> None:
    change("customers", "kind", lambda v: ["ghost"] * len(v))(tiny_bank)
    with pytest.raises(
        InputError, match=r"customers.parquet: the table has no rows; cure: .* all of these"
    ):
        load(tiny_bank, home)


def test_importing_the_same_folder_again_gives_the_same(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    three = [booking("X1")] * 3
    add("transactions", *three, booking("X2"), booking("X2", amount=4), booking("X3", category="?"))(
        tiny_bank
    )
    first = load(tiny_bank, home)
    assert first.quarantined == {"transactions": 5}
    good = {k: v for k, v in state(home.history).items() if k != "manifest.json"}
    again = load(tiny_bank, home, append=True)
    assert again.quarantined == first.quarantined
    assert set(again.added.values()) == {0}
    assert {k: v for k, v in state(home.history).items() if k != "manifest.json"} == good
    assert entries(home)[1]["earliest_known_at"] is None


def test_a_row_that_comes_again_corrected_is_imported_and_its_trace_stays(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    add("transactions", booking("X1", category="gambling"))(tiny_bank)
    load(tiny_bank, home)
    load(write_bank(tmp_path / "mended", transactions=[booking("X1")]), home, append=True)
    assert [t["category"] for t in stored(home, "transactions") if t["transaction_id"] == "X1"] == ["other"]
    assert [r["category"] for r in set_aside(home, "transactions")] == ["gambling"]


def test_a_changed_row_is_set_aside_and_the_stored_one_stays(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    before = stored(home, "rates")
    changed = write_bank(
        tmp_path / "changed", rates=[row("rates", rate=7.0), row("rates", date=date(2024, 5, 1))]
    )
    summary = load(changed, home, append=True)
    assert (summary.quarantined, summary.added["rates"]) == ({"rates": 1}, 1)
    assert [r["reason"] for r in set_aside(home, "rates")] == ["contradiction"]
    assert [r for r in stored(home, "rates") if r["date"] < date(2024, 5, 1)] == before


def test_orphans_of_an_append_are_set_aside_and_never_stored(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    new = [row("customers", customer_id="C7", kind="ghost"), row("customers", customer_id="C8")]
    held = [row("holdings", holding_id=f"H{c}", customer_id=f"C{c}") for c in "78"]
    booked = [booking(f"X{c}", customer_id=f"C{c}", holding_id=f"H{c}") for c in "78"]
    folder = write_bank(tmp_path / "new", customers=new, holdings=held, transactions=booked)
    summary = load(folder, home, append=True)
    assert {k: v for k, v in summary.added.items() if v} == {
        "customers": 1,
        "holdings": 1,
        "transactions": 1,
    }
    assert summary.quarantined == {"customers": 1, "holdings": 1, "transactions": 1}
    assert {t["customer_id"] for t in stored(home, "transactions")} == {"C1", "C2", "C3", "C8"}


def test_each_import_says_what_it_added_and_from_when_it_counts(
    tmp_path: Path, tiny_bank: Path, home: Home
) -> None:
    load(tiny_bank, home)
    late = booking("X1", known_at=day("2024-05-02"))
    rate = row("rates", date=date(2024, 4, 1), known_at=day("2024-05-01"))
    load(write_bank(tmp_path / "late", transactions=[late], rates=[rate]), home, append=True)
    first, second = entries(home)
    assert first["earliest_known_at"] == "2020-01-01T00:00:00+00:00"
    assert second["earliest_known_at"] == "2024-05-01T00:00:00+00:00"
    assert second["added"] == {t.name: 0 for t in TABLES} | {"transactions": 1, "rates": 1}
    assert len(first["id"]) == len(second["id"]) == 64
    assert first["id"] != second["id"]
    load(tiny_bank, home)
    assert entries(home) == [first]


_ROWS = st.tuples(
    st.sampled_from("ABC"), st.integers(0, 2), st.integers(1, 3), st.sampled_from(["card", "gambling"])
)


@pytest.fixture(scope="module")
def imported_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    load(write_bank(folder / "bank", **tiny_rows()), Home(folder / "home"))
    return folder / "home"


@settings(max_examples=12, deadline=None)
@given(st.lists(_ROWS, min_size=2, max_size=8))
def test_no_row_is_lost_and_no_key_is_stored_twice(
    tmp_path_factory: pytest.TempPathFactory, imported_bank: Path, rows: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    home = Home(shutil.copytree(imported_bank, folder / "home"))
    extra = [
        row(
            "transactions",
            transaction_id=name,
            at=day("2024-04-20"),
            known_at=day("2024-04-20") + timedelta(days=late),
            amount=amount,
            category=category,
        )
        for name, late, amount, category in rows
    ]
    source = write_bank(folder / "more", transactions=extra)
    for _ in range(2):
        summary = load(source, home, append=True)
        found = [t for t in stored(home, "transactions") if t["transaction_id"] in "ABC"]
        keys = [(t["transaction_id"], t["known_at"]) for t in found]
        assert len(keys) == len(set(keys))
        aside = len(set_aside(home, "transactions"))
        assert summary.rows["transactions"] == 24 + len(found)
        assert len(found) + aside == len(rows)
    good = [r for r in rows if r[3] == "card"]
    for name, late in {r[:2] for r in good}:
        same = {r for r in good if r[:2] == (name, late)}
        stored_once = (name, day("2024-04-20") + timedelta(days=late)) in keys
        assert stored_once is (len(same) == 1)
