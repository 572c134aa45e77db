"""The page of features: everything is on it, and no customer can be read from it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.catalogue import load_catalogue
from features.errors import NotReadyError
from features.families import all_families
from features.families.base import Field
from features.home import Home
from features.pages.describe import features_page, freshness, in_unit
from features.pages.distributions import FEWEST, distributions, two_digits
from features.settings import read_settings
from tests.conftest import run_verb
from tests.features.conftest import row, write_bank

SETTINGS = read_settings()


def _number(name: str, dtype: str = "int64", unit: str = "count") -> Field:
    return Field(name, dtype, unit, "a number", name.title())  # type: ignore[arg-type]


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """3,000 customers; what few of them share must stay untold."""
    n = 3_000
    table = pa.table(
        {
            "customer_id": [f"C{i}" for i in range(n)],
            "flat": pa.array([7] * n, pa.int64()),
            "flag": pa.array([0] * 1_000 + [1] * 2_000, pa.int64()),
            "steps": pa.array([i % 10 for i in range(n - 5)] + [10] * 5, pa.int64()),
            "money": pa.array([1_234_567 + 997 * i for i in range(n - 1)] + [10**15], pa.int64()),
            "rare": pa.array([None] * (n - 39) + list(range(39)), pa.int64()),
            "some": pa.array([None] * (n - 100) + [i / 7 for i in range(100)], pa.float64()),
            "kind": ["person"] * 2_500 + ["business"] * 481 + ["odd"] * 19,
            "open": [f"word {i}" for i in range(n)],
        }
    )
    pq.write_table(table, tmp_path / "s.parquet")
    return tmp_path / "s.parquet"


def _shown(path: Path):
    names = ("flat", "flag", "steps", "money", "rare", "absent")
    fields = [_number(name) for name in names] + [_number("some", "float64")]
    words = ("person", "business", "odd")
    fields.append(Field("kind", "string", "word", "kind", "Kind", null="null", words=words))
    fields.append(Field("open", "string", "word", "occupation", "Open", "C2", "null"))
    return distributions(duckdb.connect(), path, fields)


def test_numbers_are_told_by_percentiles_of_two_digits(snapshot: Path) -> None:
    shown = _shown(snapshot)
    assert "absent" not in shown
    assert (shown["flat"].ends, shown["flat"].bars, shown["flat"].missing) == ((7, 7, 7), (3_000,), 0)
    assert (shown["flag"].ends, shown["flag"].bars) == ((0, 1, 1), (1_000, 2_000))
    low, middle, high = shown["money"].ends
    assert low == pytest.approx(1_264_477, rel=0.03) and high == pytest.approx(4_194_000, rel=0.03)
    assert middle == pytest.approx(2_729_000, rel=0.03)
    for end in (low, middle, high):
        assert two_digits(end) == end
    assert len(shown["money"].bars) == 24 and sum(shown["money"].bars) == 3_000


def test_what_few_customers_share_is_not_told(snapshot: Path) -> None:
    shown = _shown(snapshot)
    # Five customers have a 10: no bar and no end says so.
    assert shown["steps"].ends in ((0, 4, 9), (0, 5, 9))
    assert all(bar >= FEWEST or bar == 0 for d in shown.values() for bar in d.bars)
    # 39 customers have no percentile beyond which 20 lie on both sides.
    assert (shown["rare"].ends, shown["rare"].bars) == (None, ())
    assert shown["rare"].missing == pytest.approx(1 - 39 / 3_000)
    # A hundred have: the ends stand for a fifth of them each.
    low, _, high = shown["some"].ends
    assert low > 1 and high < 13
    assert shown["kind"].words == (("person", 2_500 / 3_000), ("business", 481 / 3_000))
    assert (shown["open"].words, shown["open"].ends) == ((), None)
    assert shown["open"].distinct == pytest.approx(3_000, rel=0.2)


def test_freshness_is_of_what_was_known(tmp_path: Path) -> None:
    def booked(day: int, known: int):
        return row(
            "transactions",
            transaction_id=f"T{day}-{known}",
            at=datetime(2024, 2, day, tzinfo=UTC),
            known_at=datetime(2024, 2, known, tzinfo=UTC),
        )

    home = Home(tmp_path)
    write_bank(home.history, transactions=[booked(3, 3), booked(9, 9), booked(15, 25)], interactions=[])
    as_of = datetime(2024, 2, 20, 0, 0, tzinfo=UTC)
    bookings, contacts = freshness(duckdb.connect(), home, ("transactions", "interactions"), as_of)
    assert (bookings.latest, bookings.age_days) == (datetime(2024, 2, 9, tzinfo=UTC), 11)
    assert (contacts.latest, contacts.age_days) == (None, None)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (-120_000.0, "cents (mean)", "-1,200 EUR"),
        (0.38, "ratio", "38%"),
        (0.5, "days", "0.5"),
        (12.0, "0/1", "12"),
    ],
)
def test_numbers_read_well(value: float, unit: str, text: str) -> None:
    assert in_unit(value, unit, "EUR") == text


def test_the_page_has_every_feature_and_no_customer_once_they_are_built(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    run_verb(home.path, "simulate", "--customers", "300", "--months", "12", "--seed", "2")
    with pytest.raises(NotReadyError, match="cure: run `tenure features build"):
        features_page(home, SETTINGS)
    run_verb(home.path, "features", "build", "--months", "0")
    page = tmp_path / "pages" / "features.html"
    assert run_verb(home.path, "features", "describe", "--page", str(page)) == {"page": str(page)}
    text = page.read_text()
    families = all_families(load_catalogue(home.catalogue))
    for field in (f for family in families for f in family.fields):
        assert f"<code>{field.name}</code>" in text, field.name
    assert not re.search(r"\b[CHF]\d{6}\b|\bM\d{3}\b", text), "an id of a customer, household or manager"
    assert "src=" not in text and 'href="http' not in text
    assert "not in this generation" not in text
