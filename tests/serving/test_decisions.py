import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from features.errors import NotReadyError, RefusedError
from features.generations import Generation, serve, write_generation
from features.home import Home
from serving.log.decisions import (
    LEAVING_DAYS,
    WINDOW_DAYS,
    Decision,
    latest_campaign,
    log_session,
    open_log,
    read_decisions,
    record_decisions,
)
from serving.log.evidence import features_of
from training.specs import RESPONSE, RETENTION

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)

ONE = Decision(
    decision_id="L1:C1",
    campaign="L1",
    kind="list",
    customer_id="C1",
    rank=1,
    arm="target",
    arm_probability=0.9,
    option="card.app",
    action="card.app",
    probability=0.9,
    offer="card",
    product="card",
    channel="app",
    chance=0.2,
    expected_value=13.98,
    stake=70.0,
    contact_cost=0.02,
    window_days=90,
    basis="prior",
    currency="EUR",
    models="churn/1 sha256:abc",
    catalogue_version="c1",
    policy_version="p1",
    feature_generation="2026-01-01.1",
    as_of="2026-01-01T00:00:00Z",
    decided_at="2026-01-02T00:00:00Z",
)
TWO = replace(
    ONE,
    decision_id="L1:C2",
    customer_id="C2",
    rank=2,
    arm="control",
    arm_probability=0.1,
    action="",
    probability=0.1,
)


def test_decisions_come_back_as_they_were_recorded(where):
    assert record_decisions(where, [TWO, ONE]) == 2
    assert read_decisions(where, "L1") == (ONE, TWO)
    assert latest_campaign(where) == "L1"


def test_recording_again_changes_nothing_and_keeps_the_first_time(where):
    record_decisions(where, [ONE, TWO])
    later = replace(ONE, decided_at="2027-01-01T00:00:00Z")
    assert record_decisions(where, [later, TWO]) == 0
    assert read_decisions(where, "L1")[0].decided_at == ONE.decided_at


def test_a_decision_is_never_rewritten(where):
    record_decisions(where, [ONE])
    with pytest.raises(RefusedError, match="L1:C1"):
        record_decisions(where, [TWO, replace(ONE, arm="control")])
    assert read_decisions(where, "L1") == (ONE,)
    for statement in ("UPDATE decisions SET arm = 'control'", "DELETE FROM decisions"):
        with pytest.raises(RefusedError, match="append-only"), open_log(where) as log:
            log.execute(statement)


def test_unknown_lists_and_empty_logs_say_the_cure(where):
    for call in (lambda: latest_campaign(where), lambda: read_decisions(where, "L1")):
        with pytest.raises(NotReadyError, match="tenure lists pull"):
            call()
    assert not log_session(where).ready()
    record_decisions(where, [ONE])
    with pytest.raises(NotReadyError, match="no campaign 'L9'"):
        read_decisions(where, "L9")


def test_many_decisions_are_recorded_in_one_go_and_again_without_effect(where):

    def many(probability=0.9):
        return (
            replace(ONE, decision_id=f"L1:C{n}", customer_id=f"C{n}", rank=n, probability=probability)
            for n in range(25_000)
        )

    assert record_decisions(where, many()) == 25_000
    assert record_decisions(where, many()) == 0
    with pytest.raises(RefusedError, match="L1:C0, L1:C1"):
        record_decisions(where, [replace(ONE, decision_id="L1:new"), *many(0.5)])
    assert len(read_decisions(where, "L1")) == 25_000


def test_decisions_that_contradict_each_other_in_one_call_are_refused(where):
    with pytest.raises(RefusedError, match="L1:C1"):
        record_decisions(where, [ONE, TWO, replace(ONE, action="")])
    with pytest.raises(NotReadyError):
        read_decisions(where, "L1")


def test_readers_see_what_is_committed_while_others_write(where):
    record_decisions(where, [ONE])
    with open_log(where) as log:
        log.execute("INSERT INTO outcomes VALUES ('o1', 'L1:C1', 'C1', 'a', 'bought', 'b', '', NULL)")
        assert read_decisions(where, "L1") == (ONE,)
        with open_log(where, only_read=True) as other:
            assert other.execute("SELECT count(*) FROM outcomes").fetchone() == (0,)


def test_a_log_of_another_format_is_refused_with_the_cure(tmp_path):
    path = tmp_path / "decisions.db"
    with sqlite3.connect(path) as older:
        older.execute("CREATE TABLE decisions (decision_id TEXT PRIMARY KEY, list_id TEXT)")
    older.close()
    before = path.read_bytes()
    for call in (lambda: record_decisions(path, [ONE]), lambda: latest_campaign(path)):
        with pytest.raises(RefusedError, match=r"format 0.*move the file away"):
            call()
    with sqlite3.connect(path) as still:
        assert still.execute("SELECT sql FROM sqlite_master").fetchall()[0][0].endswith("list_id TEXT)")
    still.close()
    assert len(path.read_bytes()) == len(before)


@pytest.mark.parametrize("found", [2, 3])
def test_a_log_of_an_older_format_is_taken_on_with_all_its_rows(where, found):
    record_decisions(where, [replace(ONE, asked_by="lost with the column" if found == 2 else ""), TWO])
    with closing(log_session(where)) as older, older.transaction() as log:
        log.execute("DROP INDEX outcomes_kind")
        if found == 2:
            log.execute("ALTER TABLE decisions DROP COLUMN asked_by")
        older.backend.say_format(log, found)
    assert read_decisions(where, "L1") == (ONE, TWO)
    asked = replace(ONE, decision_id="L1:C3", rank=3, asked_by="0123456789ab")
    assert record_decisions(where, [ONE, asked]) == 1
    assert read_decisions(where, "L1") == (ONE, TWO, asked)
    with pytest.raises(RefusedError, match="append-only"), open_log(where) as log:
        log.execute("UPDATE decisions SET asked_by = ''")
    with open_log(where) as log:
        log.execute("DROP INDEX outcomes_kind")  # it is there again


def test_who_asks_again_with_a_new_key_changes_nothing_and_the_first_stays_named(where):
    first = replace(ONE, asked_by="0123456789ab")
    record_decisions(where, [first])
    assert record_decisions(where, [replace(first, asked_by="ba9876543210")]) == 0
    assert read_decisions(where, "L1") == (first,)


def test_outcomes_count_for_as_long_as_the_models_of_contacts_learn():
    assert RESPONSE.horizon_days == WINDOW_DAYS
    assert RETENTION.horizon_days == LEAVING_DAYS


def _generation(home, number, frame):
    name = f"2026-01-01.{number}"
    generation = Generation(name, AS_OF, (AS_OF,))
    folder = home.offline / name
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "2026-01-01.parquet")
    write_generation(folder, generation, {})
    serve(home, generation)
    return name


def test_the_features_of_a_past_decision_can_be_read_back(tmp_path):
    home = Home(tmp_path)
    rows = pd.DataFrame({"customer_id": ["C1", "C2"], "as_of": AS_OF, "created_at": AS_OF})
    big = 2**53 + 1
    first = rows.assign(balance_total=[big, 7], region=["north", None])
    batch = replace(ONE, feature_generation=_generation(home, 1, first))
    live = replace(batch, decision_id="live:1", features='{"balance_total": 9, "region": null}')
    record_decisions(home.decisions_db, [batch, live])
    _generation(home, 2, rows.assign(balance_total=[1, 2], region=["south", "south"]))
    one, other = read_decisions(home.decisions_db, "L1")
    found = features_of(home, one)
    assert (found["customer_id"], found["balance_total"], found["region"]) == ("C1", big, "north")
    changed = features_of(home, other)
    assert (changed["customer_id"], changed["balance_total"], changed["region"]) == ("C1", 9, None)
    with pytest.raises(NotReadyError, match="does not hold C3"):
        features_of(home, replace(one, customer_id="C3"))
    with pytest.raises(NotReadyError, match="tenure features build"):
        features_of(home, replace(one, feature_generation="2026-01-01.9"))


def _write_and_die(path):
    record_decisions(path, [ONE])
    with open_log(path) as log:
        log.execute("INSERT INTO outcomes VALUES ('o1', 'L1:C1', 'C1', 'a', 'bought', 'b', '', NULL)")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_keeps_what_was_committed_and_nothing_else(where):
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(where,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert read_decisions(where, "L1") == (ONE,)
    with open_log(where) as log:
        assert log.execute("SELECT count(*) FROM outcomes").fetchone() == (0,)
