import multiprocessing
import os
import signal
import sqlite3
from dataclasses import replace

import pytest

from features.errors import NotReadyError, RefusedError
from serving.decisions import Decision, latest_list, open_log, read_decisions, record_decisions

ONE = Decision(
    decision_id="L1:C1",
    list_id="L1",
    customer_id="C1",
    rank=1,
    arm="target",
    arm_probability=0.9,
    product="card",
    channel="app",
    probability=0.2,
    expected_value=13.98,
    margin=70.0,
    contact_cost=0.02,
    currency="EUR",
    models="churn/1 sha256:abc",
    catalogue_version="c1",
    policy_version="p1",
    feature_generation="2026-01-01.1",
    as_of="2026-01-01T00:00:00Z",
    decided_at="2026-01-02T00:00:00Z",
)
TWO = replace(ONE, decision_id="L1:C2", customer_id="C2", rank=2, arm="control", arm_probability=0.1)


def test_decisions_come_back_as_they_were_recorded(tmp_path):
    path = tmp_path / "decisions.db"
    assert record_decisions(path, [TWO, ONE]) == 2
    assert read_decisions(path, "L1") == (ONE, TWO)
    assert latest_list(path) == "L1"


def test_recording_again_changes_nothing_and_keeps_the_first_time(tmp_path):
    path = tmp_path / "decisions.db"
    record_decisions(path, [ONE, TWO])
    later = replace(ONE, decided_at="2027-01-01T00:00:00Z")
    assert record_decisions(path, [later, TWO]) == 0
    assert read_decisions(path, "L1")[0].decided_at == ONE.decided_at


def test_a_decision_is_never_rewritten(tmp_path):
    path = tmp_path / "decisions.db"
    record_decisions(path, [ONE])
    with pytest.raises(RefusedError, match="L1:C1"):
        record_decisions(path, [TWO, replace(ONE, arm="control")])
    assert read_decisions(path, "L1") == (ONE,)
    for statement in ("UPDATE decisions SET arm = 'control'", "DELETE FROM decisions"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), open_log(path) as log:
            log.execute(statement)


def test_unknown_lists_and_empty_logs_say_the_cure(tmp_path):
    path = tmp_path / "decisions.db"
    for call in (lambda: latest_list(path), lambda: read_decisions(path, "L1")):
        with pytest.raises(NotReadyError, match="tenure lists pull"):
            call()
    assert not path.exists()
    record_decisions(path, [ONE])
    with pytest.raises(NotReadyError, match="no list 'L9'"):
        read_decisions(path, "L9")


def _write_and_die(path):
    record_decisions(path, [ONE])
    with open_log(path) as log:
        log.execute("INSERT INTO outcomes VALUES ('o1', 'L1:C1', 'C1', 'a', 'bought', 'b')")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_keeps_what_was_committed_and_nothing_else(tmp_path):
    path = tmp_path / "decisions.db"
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert read_decisions(path, "L1") == (ONE,)
    with open_log(path) as log:
        assert log.execute("SELECT count(*) FROM outcomes").fetchone() == (0,)
