import csv
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from features.errors import CorruptError, InputError, NotReadyError, RefusedError
from features.generations import Generation, current_generation, serve, write_generation
from features.vocabulary import CREATED
from serving.batch import score_all
from serving.deciding.arms import list_arm
from serving.lists.pull import pull
from serving.log.decisions import read_decisions

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def scored(home, scorer):
    score_all(home, scorer, lambda _: None)
    return home


def _pull(home, settings, out, **changes):
    asked = {"product": "card", "size": 60} | changes
    product, size = asked["product"], asked["size"]
    return pull(
        home,
        product,
        size,
        out,
        settings=settings,
        purpose="test",
        pulled_by="tester",
        now=NOW,
        tell=lambda _: None,
    )


def test_everybody_is_scored_once_and_missing_numbers_are_null(scored, frame):
    table = pq.read_table(scored.path / "scores" / "2026-01-01.1.parquet")
    assert table["customer_id"].to_pylist() == frame["customer_id"].tolist()
    suppressed = (frame["consent_profiling"] == 0).sum()
    assert table["status"].to_pylist().count("suppressed") == suppressed
    assert table["churn"].null_count == suppressed
    about = json.loads((scored.path / "scores" / "2026-01-01.1.json").read_text())
    assert about["status"] == {"ok": len(frame) - suppressed, "suppressed": suppressed}


def test_a_list_ranks_consenting_eligible_customers_with_control_and_reasons(
    scored, settings, frame, tmp_path
):
    pulled = _pull(scored, settings, tmp_path / "list.csv")
    rows = list(csv.DictReader((tmp_path / "list.csv").open(newline="")))
    assert len(rows) == len(pulled.rows) == 60
    values = [r.expected_value for r in pulled.rows]
    assert values == sorted(values, reverse=True) and values[-1] > 0
    known = frame.set_index("customer_id")
    for row in rows:
        customer = known.loc[row["customer_id"]]
        assert customer["consent_marketing"] == customer["consent_profiling"] == 1
        assert customer["holds_card"] == 0
        assert row["arm"] == list_arm("pepper", row["list_id"], row["customer_id"], 0.10)
    assert {r["arm"] for r in rows} == {"target", "control"}
    assert any(r["reason_1"] for r in rows)


def test_the_manifest_accounts_for_everybody(scored, settings, frame, tmp_path):
    manifest = _pull(scored, settings, tmp_path / "list.csv").manifest
    stored = json.loads((tmp_path / "list.csv.manifest.json").read_text())
    assert stored == manifest.to_dict()
    assert sum(manifest.removed.values()) + manifest.not_selected + manifest.rows == len(frame)
    assert manifest.target + manifest.control == manifest.rows
    assert manifest.sha256 == hashlib.sha256((tmp_path / "list.csv").read_bytes()).hexdigest()
    assert set(stored["models"]) == {"churn", "value", "propensity"}
    kept = scored.lists / f"{manifest.list_id}.csv"
    assert kept.read_bytes() == (tmp_path / "list.csv").read_bytes()


def test_pulling_again_is_the_same_list_and_every_row_is_a_decision(scored, settings, tmp_path):
    first = _pull(scored, settings, tmp_path / "a.csv")
    again = _pull(scored, settings, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    decisions = read_decisions(scored.decisions_db, first.manifest.list_id)
    assert again.manifest.list_id == first.manifest.list_id
    assert [d.customer_id for d in decisions] == [r.customer_id for r in first.rows]
    for decision in decisions:
        assert decision.window_days == 90
        assert decision.arm_probability == (0.1 if decision.arm == "control" else 0.9)
        assert decision.decision_id == f"{decision.campaign}:{decision.customer_id}"
    with pytest.raises(RefusedError, match="recorded otherwise"):
        _pull(scored, replace(settings, salt="another"), tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"product": "yacht"}, InputError, "'yacht' is not offered"),
        ({"product": "current_account"}, InputError, "is not offered"),
        ({"product": "insurance"}, RefusedError, "does not answer for 'insurance'"),
        ({"size": 0}, InputError, "size 0"),
    ],
)
def test_what_cannot_be_listed_is_refused_and_nothing_is_written(
    scored, settings, tmp_path, changes, error, message
):
    with pytest.raises(error, match=message):
        _pull(scored, settings, tmp_path / "list.csv", **changes)
    assert not (tmp_path / "list.csv").exists() and not scored.decisions_db.exists()


def test_scores_must_be_there_current_and_whole(home, scorer, settings, tmp_path):
    with pytest.raises(NotReadyError, match="tenure score --all"):
        _pull(home, settings, tmp_path / "list.csv")
    score_all(home, scorer, lambda _: None)
    path = home.path / "scores" / "2026-01-01.1.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(CorruptError, match="not the file that was written"):
        _pull(home, settings, tmp_path / "list.csv")
    path.write_bytes(good)
    home.catalogue.write_bytes(home.catalogue.read_bytes() + b"\n# dearer\n")
    with pytest.raises(NotReadyError, match="another catalogue"):
        _pull(home, settings, tmp_path / "list.csv")


def test_a_list_is_of_one_generation_though_another_is_served_meanwhile(scored, settings, frame, tmp_path):
    alone = _pull(scored, settings, tmp_path / "alone.csv")
    other = Generation("2026-01-01.2", NOW, (NOW,), ("",))
    folder = scored.offline / other.name
    folder.mkdir()
    write_generation(folder, other, {})
    frame.assign(consent_marketing=0, **{CREATED: NOW}).to_parquet(folder / f"{NOW:%Y-%m-%d}.parquet")

    def flip(line):
        if "considered" in line:
            serve(scored, other)

    asked = {"settings": settings, "purpose": "test", "pulled_by": "tester", "now": NOW}
    found = pull(scored, "card", 60, tmp_path / "flipped.csv", tell=flip, **asked)
    assert current_generation(scored).name == other.name
    assert found.manifest.feature_generation == "2026-01-01.1" and found.rows == alone.rows
    assert (tmp_path / "flipped.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert {row.as_of for row in found.rows} == {found.manifest.as_of}
    decisions = read_decisions(scored.decisions_db, found.manifest.list_id)
    assert {d.feature_generation for d in decisions} == {"2026-01-01.1"}
