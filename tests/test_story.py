"""The whole loop as one story: a list, what it did, and a bank that learned from it."""

import csv
from pathlib import Path

import duckdb

from features.home import Home
from serving.scoring import MODELS
from tests.conftest import Verb


def read_list(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_loop_closes(own_bank: tuple[Home, Verb], tmp_path: Path) -> None:
    story(*own_bank, tmp_path)


def story(home: Home, tenure: Verb, folder: Path) -> None:
    """What happens to a bank to write to, whatever stores its verbs use."""
    first, second = folder / "first.csv", folder / "second.csv"

    # A marketer pulls a list for consumer loans; a tenth of it is kept as control.
    pulled = tenure("lists", "pull", "--product", "loan", "--size", "200", "--out", str(first))
    rows = read_list(first)
    assert len(rows) == pulled["target"] + pulled["control"] == 200
    assert {row["arm"] for row in rows} == {"target", "control"}
    values = [float(row["expected_value"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert all(row["reason_1"] for row in rows)

    # The target group is contacted; three months pass, and what happened becomes history.
    before = _count(home, "interactions")
    happened = tenure("advance", "--months", "3")
    assert happened["kinds"]["shown"] == pulled["target"]
    assert _count(home, "interactions") > before

    # Did it work? Compared with those who were left alone.
    earned = tenure("outcomes", "report")
    assert (earned["target"], earned["control"]) == (pulled["target"], pulled["control"])
    assert earned["target_takers"] > 0
    assert earned["profit_low"] <= earned["profit"] <= earned["profit_high"]

    # The bank learns from it: new features, new challengers, new champions where the gates agree.
    old = tenure("score", "--id", rows[0]["customer_id"])
    tenure("features", "build", "--months", "30", "--every", "3")
    tenure("features", "materialize")
    tenure("train", "all")
    promoted = [tenure("models", "promote", name, may_be_refused=True) for name in MODELS]
    assert any(promoted)
    tenure("score", "--all")
    new = tenure("score", "--id", rows[0]["customer_id"])
    assert new["as_of"] > old["as_of"]
    assert new["models"] != old["models"]

    # The next list is another one, and leaves those in peace who were just contacted or said no.
    tenure("lists", "pull", "--product", "loan", "--size", "200", "--out", str(second))
    again = {row["customer_id"] for row in read_list(second)}
    assert again != {row["customer_id"] for row in rows}
    takers = _takers(home, "loan", since=old["as_of"])
    assert takers
    assert not takers & again


def _count(home: Home, table: str) -> int:
    (count,) = duckdb.sql(f"SELECT count(*) FROM '{home.history / table}.parquet'").fetchone() or (0,)
    return int(count)


def _takers(home: Home, product: str, since: str) -> set[str]:
    """Who opened the product after `since`, and still has it."""
    found = duckdb.sql(
        f"SELECT DISTINCT customer_id FROM '{home.history}/holdings.parquet' "
        f"WHERE product = '{product}' AND opened_at >= '{since}' AND closed_at IS NULL"
    ).fetchall()
    return {row[0] for row in found}
