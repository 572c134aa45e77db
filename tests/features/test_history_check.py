import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.catalogue import load_catalogue, shipped_catalogue
from features.errors import InputError
from features.history.check import check_folder
from features.history.contract import TABLES
from features.history.load import import_folder
from features.home import Home
from features.vocabulary import Catalogue
from tests.features.conftest import day, row, tiny_rows, write_bank
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


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    file = tmp_path / "catalogue.toml"
    file.write_bytes(shipped_catalogue())
    return load_catalogue(file)


def rows_of(count: int, **values: Any) -> list[dict[str, Any]]:
    first = day("2024-05-01")
    return [
        row("transactions", transaction_id=f"X{i}", at=first + timedelta(hours=i), **values)
        for i in range(count)
    ]


def end_early(folder: Path) -> None:
    closing = row("holdings", closed_at=day("2019-12-31"), close_reason="bank", known_at=day("2024-06-01"))
    add("holdings", closing)(folder)


NAIVE = pa.timestamp("us")
BAD_INPUT = [
    (
        "missing table",
        lambda f: (f / "holdings.parquet").unlink(),
        "holdings.parquet: the table is missing",
    ),
    (
        "missing column",
        drop("transactions", "amount"),
        "transactions.parquet: column 'amount': the column is missing",
    ),
    (
        "wrong type",
        change("transactions", "amount", lambda v: pa.array([str(x) for x in v])),
        "transactions.parquet: column 'amount': not of the contract's type: T010, T011, T020, T021, T030",
    ),
    (
        "date as timestamp",
        change("rates", "date", lambda v: pa.array([datetime(d.year, d.month, d.day) for d in v], NAIVE)),
        "rates.parquet: column 'date': not of the contract's type: ",
    ),
    (
        "naive timestamps",
        change("transactions", "at", lambda v: pa.array([x.replace(tzinfo=None) for x in v], NAIVE)),
        "transactions.parquet: column 'at': a timestamp without offset or time zone: "
        "T010, T011, T020, T021, T030 (24 in all)",
    ),
    (
        "float money",
        change("transactions", "balance_after", lambda v: pa.array([float(x) for x in v])),
        "transactions.parquet: column 'balance_after': money must be whole cents: T010, T011, T020, T021",
    ),
    (
        "duplicate key",
        add("transactions", *rows_of(7), *rows_of(7, amount=5)),
        "transactions.parquet: column 'transaction_id, known_at': more than one row with the same key: "
        "X0, X1, X2, X3, X4 (14 in all)",
    ),
    (
        "unknown product",
        set_to("holdings", "product", "yacht", at=4),
        "holdings.parquet: column 'product': not a product of the catalogue: H4/C1; cure: add the product",
    ),
    (
        "unknown currency",
        add("transactions", *rows_of(6, currency="XXX")),
        "transactions.parquet: column 'currency': a currency without a rate: X0, X1, X2, X3, X4 (6 in all)",
    ),
    (
        "no rate yet",
        add("transactions", row("transactions", transaction_id="X1", at=day("2023-12-31"), currency="USD")),
        "column 'currency': no rate of the currency was known at the booking time: X1;",
    ),
    (
        "empty file",
        file_as("customers", lambda _: b""),
        "customers.parquet: the file cannot be read: empty, truncated",
    ),
    (
        "truncated file",
        file_as("customers", lambda c: c[: len(c) // 2]),
        "customers.parquet: the file cannot be read",
    ),
    ("damaged pages", file_as("transactions", damage), "transactions.parquet: the file cannot be read"),
    ("no rows", lambda f: write_bank(f, holdings=[]), "holdings.parquet: the table has no rows"),
    (
        "end before start",
        end_early,
        "holdings.parquet: column 'closed_at': the end lies before the start: H1/C1; cure: set 'closed_at'",
    ),
    (
        "customer not there",
        add("holdings", row("holdings", holding_id="H9", customer_id="C9")),
        "holdings.parquet: column 'customer_id': refers to what is not there: H9/C9; cure: add",
    ),
    (
        "holding of somebody else",
        add("transactions", row("transactions", transaction_id="X1", holding_id="H3")),
        "transactions.parquet: column 'holding_id': refers to what is not there: X1; cure: ",
    ),
    (
        "not a word of the contract",
        set_to("transactions", "category", "gambling"),
        "transactions.parquet: column 'category': not one of the contract's words: T010; cure: use one of:",
    ),
    (
        "out of range",
        set_to("interactions", "rating", 11.0),
        "interactions.parquet: column 'rating': out of range: I1; cure: write values from 0 to 10",
    ),
    (
        "not a number",
        set_to("rates", "rate", float("nan")),
        "rates.parquet: column 'rate': out of range: USD/2024-01-01",
    ),
    (
        "a code for missing",
        set_to("customers", "birth_date", date(9999, 12, 31)),
        "customers.parquet: column 'birth_date': out of range: C1; cure: ",
    ),
    (
        "a time beyond all calendars",
        change(
            "interactions", "at", lambda v: pa.array([2**59] * len(v)).cast(pa.timestamp("us", tz="UTC"))
        ),
        "interactions.parquet: column 'at': out of range: I1, I2; cure: write a date from 1500-01-01",
    ),
    (
        "empty where a value must be",
        set_to("transactions", "category", None),
        "transactions.parquet: column 'category': empty, but the contract requires a value: T010; cure: ",
    ),
    (
        "an empty id",
        set_to("transactions", "transaction_id", "", at=2),
        "transactions.parquet: column 'transaction_id': empty, but the contract requires a value: row 3;",
    ),
    (
        "a secret",
        add_column("customers", "card_pin"),
        "customers.parquet: column 'card_pin': a secret of this kind (class C3) may not be stored; cure: ",
    ),
    (
        "the same column twice",
        add_column("customers", "INCOME"),
        "column 'income': the column is there more than once",
    ),
    (
        "two files",
        lambda f: (f / "holdings.csv").write_text("holding_id\n"),
        "holdings.*: the table is there as parquet and as CSV; cure: keep one of the two",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), [b[1:] for b in BAD_INPUT], ids=[b[0] for b in BAD_INPUT])
def test_bad_input_is_one_clear_error_and_the_last_good_history_stays(
    tmp_path: Path, tiny_bank: Path, catalogue: Catalogue, spoil: Break, message: str
) -> None:
    home = Home(tmp_path / "home")
    options = {"append": False, "threads": 1, "memory": "500MB", "tell": lambda _: None}
    import_folder(tiny_bank, home, None, **options)
    good = state(home.path)
    spoil(tiny_bank)
    with pytest.raises(InputError) as refused:
        import_folder(tiny_bank, home, None, **options)
    assert refused.value.exit_code == 2
    told = str(refused.value).splitlines()
    assert any(message in line for line in told), told
    assert all("; cure: " in line for line in told), told
    assert state(home.path) == good
    report = check_folder(tiny_bank, catalogue)
    assert not report.ok
    assert list(report.refusal()) == told


BAD_TEXT = [
    (
        "naive",
        replace_text("transactions", "Z", ""),
        "column 'at': a timestamp without offset or time zone: T010, T011",
    ),
    (
        "fraction",
        replace_text("transactions", ",200000,", ",2000.00,", 1),
        "column 'amount': money must be whole cents: T010;",
    ),
    (
        "word",
        replace_text("transactions", ",200000,", ",much,", 1),
        "column 'amount': not of the contract's type: T010;",
    ),
    (
        "no date",
        replace_text("rates", "2024-03-01,", "01.03.2024,"),
        "column 'date': not of the contract's type: ",
    ),
    (
        "no such date",
        replace_text("customers", "1955-02-01,", "1955-02-31,"),
        "'birth_date': not of the contract's type: C2;",
    ),
    (
        "truth",
        replace_text("customers", "true", "yes", 1),
        "column 'consent_marketing': not of the contract's type: C1;",
    ),
    ("cut off", replace_text("holdings", ',"owner"', "", 1), "holdings.csv: the file cannot be read"),
    (
        "empty",
        lambda f: (f / "rates.csv").write_text(""),
        "rates.csv: column 'currency': the column is missing",
    ),
    (
        "bytes",
        lambda f: (f / "rates.csv").write_bytes(b"\xff\xfe\x00"),
        "rates.csv: the file cannot be read",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), [b[1:] for b in BAD_TEXT], ids=[b[0] for b in BAD_TEXT])
def test_bad_text_is_named_by_file_column_and_id(
    tiny_bank: Path, catalogue: Catalogue, spoil: Break, message: str
) -> None:
    spoil(to_csv(tiny_bank))
    told = check_folder(tiny_bank, catalogue).refusal()
    assert any(message in line for line in told), told
    assert not any("2000.00" in line or "1955" in line for line in told), (
        "an error may carry ids, never values"
    )


def test_a_valid_folder_is_described(tiny_bank: Path, catalogue: Catalogue) -> None:
    add_column("customers", "shoe_size")(tiny_bank)
    add("transactions", row("transactions", transaction_id="late", at=day("2024-07-01")))(tiny_bank)
    report = check_folder(tiny_bank, catalogue)
    assert report.ok, report.to_text()
    tables = {table.name: table for table in report.tables}
    assert {name: table.rows for name, table in tables.items()} == {
        "customers": 4,
        "holdings": 5,
        "transactions": 25,
        "interactions": 2,
        "rates": 2,
    }
    assert tables["transactions"].gaps == ("2024-05", "2024-06")
    assert tables["transactions"].first == datetime(2024, 1, 3, 8, 30, tzinfo=UTC)
    assert tables["customers"].nulls["income"] == 1
    assert tables["customers"].ignored == ("shoe_size",)
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True
    for part in ("months without rows: 2024-05, 2024-06", "columns ignored: shoe_size", "gender 25%"):
        assert part in report.to_text()


def test_csv_and_parquet_are_described_alike(tiny_bank: Path, catalogue: Catalogue) -> None:
    parquet = check_folder(tiny_bank, catalogue)
    text = check_folder(to_csv(tiny_bank), catalogue)
    assert text.ok, text.to_text()
    assert text.to_text() == parquet.to_text()


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
def test_other_writers_types_are_accepted(tiny_bank: Path, catalogue: Catalogue, unit: str) -> None:
    change("transactions", "at", lambda v: pa.array(v, pa.timestamp(unit, tz="Europe/Prague")))(tiny_bank)
    change("transactions", "category", lambda v: pa.array(v).dictionary_encode())(tiny_bank)
    change("transactions", "counterparty", lambda v: pa.nulls(len(v)))(tiny_bank)
    change("transactions", "amount", lambda v: pa.array(v, pa.int32()))(tiny_bank)
    assert check_folder(tiny_bank, catalogue).ok


def test_optional_tables_may_stay_away(tmp_path: Path, catalogue: Catalogue) -> None:
    rows = {name: table for name, table in tiny_rows().items() if name in ("customers", "holdings")}
    folder = write_bank(tmp_path / "bank", **rows, transactions=[row("transactions")])
    assert check_folder(folder, catalogue).ok


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_tables_is_said_to_be_so(
    tmp_path: Path, catalogue: Catalogue, folder: str
) -> None:
    [problem] = check_folder(tmp_path / folder, catalogue).problems
    assert all(table.name in problem.cure for table in TABLES)


_SECRET = """
    PIN userPassword cvv2 biometric_hash pin-code atm_pins CVC fingerPrint face_id voice_template palm_scan
    securityAnswer security_question2 secret_word mothers_maiden_name passphrase card_number cardNo PAN
    primary_account_number track2 magstripe otp iris
"""
_PLAIN = "shopping opinion pinned_note span company iban card_id"


@pytest.mark.parametrize(
    ("column", "secret"),
    [
        *((name, True) for name in _SECRET.split()),
        *((name, False) for name in _PLAIN.split()),
    ],
)
def test_secrets_are_told_from_names(
    tiny_bank: Path, catalogue: Catalogue, column: str, secret: bool
) -> None:
    add_column("interactions", column)(tiny_bank)
    report = check_folder(tiny_bank, catalogue, max_quarantined=1.0)
    assert [problem.rule for problem in report.problems] == ["forbidden_column"] * secret
