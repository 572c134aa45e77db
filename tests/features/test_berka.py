"""The Berka mapping against figures of its source; skipped where the sample data is not there."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.history.berka import berka_catalogue, map_berka
from features.history.load import import_folder
from features.home import Home
from features.settings import read_settings
from features.vocabulary import CATEGORIES, CHANNELS


@pytest.fixture(scope="module")
def source() -> Path:
    sample = read_settings().sample_data
    if sample is None or not (sample / "berka" / "trans.parquet").is_file():
        pytest.skip("TENURE_SAMPLE_DATA does not name a folder with berka/")
    return sample / "berka"


@pytest.fixture(scope="module")
def history(source: Path, tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The imported bank as views, beside the source's tables as `source_<name>`."""
    folder = tmp_path_factory.mktemp("berka")
    home = Home(folder / "home")
    map_berka(source, folder / "mapped", lambda _: None)
    import_folder(
        folder / "mapped",
        home,
        berka_catalogue(),
        append=False,
        threads=2,
        memory="1GB",
        tell=lambda _: None,
    )
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for file in home.history.glob("*.parquet"):
        connection.execute(f"CREATE VIEW {file.stem} AS SELECT * FROM '{file}'")
    for file in source.glob("*.parquet"):
        connection.execute(f"CREATE VIEW source_{file.stem} AS SELECT * FROM '{file}'")
    return connection


def one(history: duckdb.DuckDBPyConnection, sql: str) -> tuple:
    row = history.execute(sql).fetchone()
    assert row is not None
    return row


def test_everything_of_the_source_arrives_once(history: duckdb.DuckDBPyConnection) -> None:
    counted = one(
        history,
        """SELECT (SELECT count(*) FROM customers) = (SELECT count(*) FROM source_client),
        (SELECT count(*) FROM transactions) = (SELECT count(*) FROM source_trans),
        (SELECT sum(abs(amount)) FROM transactions) = (SELECT sum(round(amount * 100)) FROM source_trans),
        (SELECT sum(balance_after) FROM transactions) =
        (SELECT sum(round(balance * 100)) FROM source_trans)""",
    )
    assert counted == (True, True, True, True)
    assert one(history, "SELECT count(*) FROM transactions") == (438_366,)


def test_each_contract_is_held_by_its_people(history: duckdb.DuckDBPyConnection) -> None:
    held = history.execute(
        "SELECT product, role, count(*) FROM holdings WHERE closed_at IS NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert held == [
        ("card", "owner", 363),
        ("current_account", "co_owner", 687),
        ("current_account", "owner", 3_623),
        ("loan", "owner", 427),
        ("standing_order", "owner", 4_377),
    ]
    bookings = one(
        history,
        """SELECT count(*) FROM transactions t JOIN holdings h USING (holding_id, customer_id)
        WHERE h.role <> 'owner' OR t."at" < h.opened_at""",
    )
    assert bookings == (0,)


def test_nothing_is_known_before_its_time_or_held_after_the_end(history: duckdb.DuckDBPyConnection) -> None:
    early = one(
        history,
        """SELECT count_if(known_at < opened_at), count_if(known_at < closed_at),
        count_if(opened_at > (SELECT max("at") FROM transactions)),
        count_if(closed_at > (SELECT max("at") FROM transactions)) FROM holdings""",
    )
    assert early == (0, 0, 0, 0)
    assert one(history, 'SELECT count(*) FROM transactions WHERE known_at <> "at"') == (0,)
    first = "SELECT customer_id, min(opened_at) AS first FROM holdings GROUP BY 1"
    late = "joined_at <> first OR valid_from <> first OR known_at <> first"
    unlike = one(history, f"SELECT count(*) FROM customers JOIN ({first}) USING (customer_id) WHERE {late}")
    assert unlike == (0,)


def test_loans_end_by_their_term_and_orders_by_their_last_execution(
    history: duckdb.DuckDBPyConnection,
) -> None:
    ended = history.execute(
        """SELECT product, count(*), count_if(close_reason = 'matured'), count_if(known_at = closed_at)
        FROM holdings WHERE closed_at IS NOT NULL GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    assert ended == [("loan", 118, 118, 118), ("standing_order", 124, 124, 124)]
    wrong = one(
        history,
        """SELECT count(*) FROM holdings h JOIN source_loan l ON h.holding_id = 'L' || l.loan_id
        WHERE closed_at IS NOT NULL AND closed_at <> (l.date + to_months(l.duration::INT))::TIMESTAMPTZ""",
    )
    assert wrong == (0,)


def test_the_running_balance_adds_up_but_for_the_missing_bookings(
    history: duckdb.DuckDBPyConnection,
) -> None:
    """27% of the bookings are missing, so at most 73% can follow the one before; by number only 43% do."""
    previous = 'lag(balance_after) OVER (PARTITION BY holding_id ORDER BY "at")'
    share, moments = one(
        history,
        f"""SELECT count_if(balance_after - amount = previous) / count(previous),
        count(DISTINCT (holding_id, "at"))
        FROM (SELECT *, {previous} AS previous FROM transactions)""",
    )
    assert 0.71 < share < 0.73
    assert moments == 438_366
    assert one(history, "SELECT count(*) FROM transactions WHERE date_part('hour', \"at\") <> 0") == (0,)


@pytest.mark.parametrize(("product", "rate"), [("card", 0.019), ("loan", 0.012), ("standing_order", 0.054)])
def test_takeup_rates_are_those_of_the_bank(
    history: duckdb.DuckDBPyConnection, product: str, rate: float
) -> None:
    """Of all owners, in the last three months."""
    share = one(
        history,
        f"""WITH owners AS (SELECT customer_id FROM holdings
                        WHERE product = 'current_account' AND role = 'owner' AND opened_at < '1997-10-01'),
        takers AS (SELECT DISTINCT customer_id FROM holdings WHERE product = '{product}'
                   AND opened_at >= '1997-10-01')
        SELECT count(t.customer_id) / count(*) FROM owners LEFT JOIN takers t USING (customer_id)""",
    )[0]
    assert share == pytest.approx(rate, abs=0.003)


def test_signs_categories_and_channels_follow_the_source(history: duckdb.DuckDBPyConnection) -> None:
    signs = one(
        history,
        """SELECT count_if(s.type = 'PRIJEM' AND t.amount < 0),
        count_if(s.type <> 'PRIJEM' AND t.amount > 0)
        FROM transactions t JOIN source_trans s ON t.transaction_id = 'T' || s.trans_id""",
    )
    assert signs == (0, 0)
    kinds = dict(history.execute("SELECT category, count(*) FROM transactions GROUP BY 1").fetchall())
    assert kinds["pension"] == 12_531
    assert kinds["loan_payment"] == 5_068
    assert kinds["cash_out"] == 109_871 + 6_846
    assert set(kinds) <= set(CATEGORIES)
    channels = {row[0] for row in history.execute("SELECT DISTINCT channel FROM transactions").fetchall()}
    assert channels == {"auto", "branch", "atm"} <= set(CHANNELS)


def test_people_are_the_clients(history: duckdb.DuckDBPyConnection) -> None:
    """Birth numbers carry the month plus 50 for women."""
    wrong = one(
        history,
        """SELECT count(*) FROM customers c JOIN source_client s ON c.customer_id = 'C' || s.client_id
        WHERE (c.gender = 'female') <> (s.birth_number // 100 % 100 > 50)
           OR month(c.birth_date) <> (s.birth_number // 100 % 100) % 50
           OR year(c.birth_date) <> 1900 + s.birth_number // 10000 OR c.region IS NULL""",
    )
    assert wrong == (0,)


def test_a_missing_table_and_an_unknown_kind_of_booking_are_named(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in source.glob("*.parquet"):
        (broken / file.name).symlink_to(file)
    (broken / "trans.parquet").unlink()
    rows = pq.read_table(source / "trans.parquet").slice(0, 100)
    place = rows.column_names.index("type")
    spoilt = rows.set_column(place, "type", pa.array(["DAR"] * 7 + rows["type"].to_pylist()[7:]))
    pq.write_table(spoilt, broken / "trans.parquet")
    with pytest.raises(InputError, match=r"trans.parquet: .* \(7 in all\); cure: "):
        map_berka(broken, tmp_path / "out", lambda _: None)
    (broken / "trans.parquet").unlink()
    with pytest.raises(InputError, match=r"trans.parquet: the table is missing; cure: "):
        map_berka(broken, tmp_path / "out", lambda _: None)
