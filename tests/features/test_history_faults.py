"""Faults that banks' exports have, each with what must become of it and of the history before."""

import math
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.history.contract import TABLES
from features.history.load import ImportSummary, import_folder
from features.history.page import quality_page
from features.history.read import connect
from features.home import Home
from tests.features.conftest import Rows, day, row, tiny_rows, write_bank
from tests.features.spoil import (
    Break,
    add,
    add_column,
    change,
    damage,
    drop,
    file_as,
    replace_text,
    set_to,
    state,
    to_csv,
)

NAIVE = pa.timestamp("us")


def load(source: Path, home: Home, **options: Any) -> ImportSummary:
    options = {"append": False, "threads": 1, "memory": "500MB", "tell": lambda _: None} | options
    return import_folder(source, home, None, **options)


def stored(home: Home, name: str) -> Rows:
    return pq.read_table(home.history / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    load(write_bank(folder / "bank", **tiny_rows()), Home(folder / "home"))
    return folder / "home"


@pytest.fixture
def home(tmp_path: Path, imported: Path) -> Home:
    """A home that holds the tiny bank."""
    return Home(shutil.copytree(imported, tmp_path / "home"))


def refused(source: Path, home: Home, **options: Any) -> str:
    """Import what must be refused: nothing is written, and the history from before still answers."""
    good = state(home.path)
    with pytest.raises(InputError) as error:
        load(source, home, **options)
    assert state(home.path) == good
    served = connect(home, 1, "500MB").table("transactions").count().execute()
    assert served == len(stored(home, "transactions")) > 0
    return str(error.value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, -1e308, 10.5])
def test_what_is_infinite_or_out_of_bounds_is_quarantined(
    tiny_bank: Path, home: Home, value: float
) -> None:
    set_to("interactions", "rating", value)(tiny_bank)
    assert "out_of_range 1: I1; cure:" in refused(tiny_bank, home)
    summary = load(tiny_bank, home, max_quarantined=0.5)
    assert summary.quarantined == {"interactions": 1}
    assert [i["interaction_id"] for i in stored(home, "interactions")] == ["I2"]


def test_no_number_is_missing_where_that_may_be_and_quarantined_elsewhere(
    tiny_bank: Path, home: Home
) -> None:
    set_to("interactions", "rating", math.nan)(tiny_bank)
    assert load(tiny_bank, home).quarantined == {}
    assert [i["rating"] for i in stored(home, "interactions")] == [None, None]
    set_to("rates", "rate", math.nan)(tiny_bank)
    assert "rates.parquet: column 'rate': out of range: USD/2024-01-01" in refused(tiny_bank, home)


def test_negative_zero_is_stored_as_zero(tiny_bank: Path, home: Home) -> None:
    set_to("interactions", "rating", -0.0)(tiny_bank)
    load(tiny_bank, home)
    assert math.copysign(1, stored(home, "interactions")[0]["rating"]) == 1


def test_an_unseen_word_is_quarantined_where_the_list_is_closed(tiny_bank: Path, home: Home) -> None:
    set_to("transactions", "channel", "telepathy")(tiny_bank)
    assert "not_allowed 1: T010" in refused(tiny_bank, home)
    summary = load(tiny_bank, home, max_quarantined=0.05)
    assert summary.report.to_dict()["tables"][2]["reasons"] == {"not_allowed": 1}


def test_an_unseen_word_is_imported_and_counted_where_the_list_is_open(tmp_path: Path, home: Home) -> None:
    new = [
        row("customers", customer_id=f"N{n}", region=region) for n, region in enumerate(["moon", "north"])
    ]
    summary = load(write_bank(tmp_path / "new", customers=new), home, append=True)
    assert summary.added["customers"] == 2
    [concern] = summary.report.concerns
    assert (concern.column, concern.rule, concern.stops) == ("region", "new_words", False)
    assert concern.note == "1 words in 1 rows"


def test_naive_timestamps_are_refused_with_their_number(tiny_bank: Path, home: Home) -> None:
    change("transactions", "at", lambda v: pa.array([x.replace(tzinfo=None) for x in v], NAIVE))(tiny_bank)
    assert (
        "'at': a timestamp without offset or time zone: T010, T011, T020, T021, T030 (24 in all)"
        in refused(tiny_bank, home)
    )


def test_a_local_time_in_the_gap_of_summer_time_is_quarantined_with_the_number_of_rows(
    tiny_bank: Path, home: Home
) -> None:
    # On that night Europe's clocks jump from 2 to 3: this time never was, and no offset says so.
    to_csv(tiny_bank)
    replace_text("transactions", "2024-03-03 08:30:00.000000Z", "2024-03-31 02:30:00")(tiny_bank)
    told = refused(tiny_bank, home)
    assert "transactions.csv: 3 of 24 rows (12.50%)" in told
    assert "naive 3: T030, T130, T230; cure:" in told
    summary = load(tiny_bank, home, max_quarantined=0.2)
    assert summary.quarantined == {"transactions": 3}
    assert not any(t["at"].month == 3 and t["at"].day in (3, 31) for t in stored(home, "transactions"))


def rename(name: str, old: str, new: str) -> Break:
    def apply(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        rows = pq.read_table(file)
        names = [new if column == old else column for column in rows.column_names]
        pq.write_table(rows.rename_columns(names), file)

    return apply


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (rename("holdings", "product", "produkt"), "column 'product': the column is missing"),
        (drop("transactions", "channel"), "column 'channel': the column is missing"),
        (
            change("customers", "consent_profiling", lambda v: pa.array([str(x) for x in v])),
            "column 'consent_profiling': not of the contract's type",
        ),
        (
            change("transactions", "amount", lambda v: pa.array([x / 100 for x in v])),
            "column 'amount': money must be whole cents",
        ),
    ],
    ids=["renamed", "dropped", "retyped", "money as fractions"],
)
@pytest.mark.parametrize("append", [False, True])
def test_a_changed_column_is_refused_at_any_limit(
    tiny_bank: Path, home: Home, spoil: Break, told: str, append: bool
) -> None:
    spoil(tiny_bank)
    assert told in refused(tiny_bank, home, append=append, max_quarantined=1.0)


def test_columns_in_another_order_are_the_same_history(tiny_bank: Path, home: Home) -> None:
    before = {t.name: (home.history / f"{t.name}.parquet").read_bytes() for t in TABLES}
    for table in TABLES:
        file = tiny_bank / f"{table.name}.parquet"
        rows = pq.read_table(file)
        pq.write_table(rows.select(rows.column_names[::-1]), file)
    load(tiny_bank, home)
    assert {t.name: (home.history / f"{t.name}.parquet").read_bytes() for t in TABLES} == before


def test_an_extra_column_is_ignored_and_reported(tiny_bank: Path, home: Home) -> None:
    add_column("holdings", "shelf")(tiny_bank)
    report = load(tiny_bank, home).report
    assert "shelf" not in pq.read_schema(home.history / "holdings.parquet").names
    assert "holdings: columns ignored: shelf" in report.to_text()
    assert "the import leaves out: shelf." in quality_page(report, "x")


@pytest.mark.parametrize("name", ["customers", "transactions", "rates"])
@pytest.mark.parametrize(
    "content", [lambda c: b"", lambda c: c[: len(c) // 2], damage, lambda c: c[:-8]],
    ids=["empty", "cut in half", "damaged", "without its end"],
)  # fmt: skip
def test_a_damaged_file_is_named_and_the_old_history_stays(
    tiny_bank: Path, home: Home, name: str, content: Callable[[bytes], bytes]
) -> None:
    file_as(name, content)(tiny_bank)
    assert f"{name}.parquet: the file cannot be read" in refused(tiny_bank, home, max_quarantined=1.0)


def busy(first: str, count: int, **values: Any) -> Rows:
    """Bookings over the 28 days from a day on, evenly."""
    start = day(first) + timedelta(hours=9)
    step = timedelta(days=28) / count
    return [
        row("transactions", transaction_id=f"B{first}{n}", at=start + n * step, **values)
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def busy_imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("busy")
    rows = tiny_rows()
    bookings = [b for month in range(1, 5) for b in busy(f"2024-0{month}-01", 40)]
    for nth, booking in enumerate(bookings):
        booking["counterparty"] = f"K{nth}" if nth % 2 else None
        booking["amount"] += nth
    rows["transactions"] = bookings
    load(write_bank(folder / "bank", **rows), Home(folder / "home"))
    return folder / "home"


@pytest.fixture
def busy_home(tmp_path: Path, busy_imported: Path) -> Home:
    """A bank with forty bookings a month, of which every other one names the other side."""
    return Home(shutil.copytree(busy_imported, tmp_path / "busy"))


def may(count: int, **values: Any) -> Rows:
    """The next month, as varied as those before."""
    rows = busy("2024-05-01", count)
    for nth, booking in enumerate(rows):
        booking |= {"counterparty": f"K{nth}" if nth % 2 else None, "amount": 100 + nth} | values
    return rows


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (may(16), "rows a day fell to half of the month before, or less: 2024-05"),
        (may(40, counterparty=None), "'counterparty': empty in every new row, though stored history has"),
    ],
    ids=["half the rows", "an empty column"],
)
def test_a_drop_or_an_empty_column_stops_an_append_until_it_is_accepted(
    tmp_path: Path, busy_home: Home, rows: Rows, told: str
) -> None:
    folder = write_bank(tmp_path / "may", transactions=rows)
    message = refused(folder, busy_home, append=True)
    assert told in message
    assert message.endswith("append it with --accept-warnings")
    summary = load(folder, busy_home, append=True, accept_warnings=True)
    assert summary.added["transactions"] == len(rows)
    assert [told in concern.to_text() for concern in summary.report.concerns] == [True]


def test_a_constant_column_is_a_warning(tmp_path: Path, busy_home: Home) -> None:
    folder = write_bank(tmp_path / "may", transactions=may(40, amount=7))
    [concern] = load(folder, busy_home, append=True).report.concerns
    assert (concern.column, concern.rule, concern.stops) == ("amount", "constant", False)


def test_an_ordinary_month_raises_no_concern(tmp_path: Path, busy_home: Home) -> None:
    folder = write_bank(tmp_path / "may", transactions=may(30))
    assert load(folder, busy_home, append=True).report.concerns == ()


def test_the_first_days_of_a_month_are_no_drop(tmp_path: Path, busy_home: Home) -> None:
    folder = write_bank(tmp_path / "may", transactions=may(40)[:3])
    assert load(folder, busy_home, append=True).report.concerns == ()


def test_a_month_that_never_came_stops_an_append(tmp_path: Path, busy_home: Home) -> None:
    folder = write_bank(tmp_path / "june", transactions=busy("2024-06-01", 40, counterparty="K"))
    assert "2024-05 (-100%)" in refused(folder, busy_home, append=True)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_that_say_the_same_of_one_moment_are_one_whatever_their_order(
    tiny_bank: Path, home: Home, reverse: bool
) -> None:
    before = {t.name: (home.history / f"{t.name}.parquet").read_bytes() for t in TABLES}
    add("customers", *tiny_rows()["customers"])(tiny_bank)
    add("customers", row("customers", customer_id="C4", income=1))(tiny_bank)
    add("customers", row("customers", customer_id="C4", income=2))(tiny_bank)
    if reverse:
        file = tiny_bank / "customers.parquet"
        rows = pq.read_table(file)
        pq.write_table(rows.take(list(range(len(rows)))[::-1]), file)
    assert "duplicate 6" in refused(tiny_bank, home)
    assert load(tiny_bank, home, max_quarantined=0.7).quarantined == {"customers": 6}
    assert {t.name: (home.history / f"{t.name}.parquet").read_bytes() for t in TABLES} == before
