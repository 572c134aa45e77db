import json
import multiprocessing
import resource
import signal
import subprocess
import sys
from concurrent.futures import wait
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.database.address import Address
from features.errors import InputError, NotReadyError, RefusedError
from serving.log.decisions import log_session, open_log, read_decisions, record_decisions
from serving.log.outcomes import Outcome
from serving.log.writer import Writer
from tests.serving.test_decisions import ONE

LATER = datetime(2026, 2, 1, tzinfo=UTC)


def _decision(n, **fields):
    return replace(ONE, decision_id=f"L1:C{n}", customer_id=f"C{n}", rank=n, **fields)


def _outcome(n, **fields):
    said = {"outcome_id": f"o{n}", "decision_id": f"L1:C{n}", "customer_id": f"C{n}"}
    return Outcome(**{**said, "at": LATER, "kind": "bought", "known_at": LATER, **fields})


def _recorded(where):
    return [d.rank for d in read_decisions(where, "L1")]


def test_what_waits_together_is_recorded_whole_and_each_is_told_its_own(where):
    record_decisions(where, [_decision(1)])
    with closing(Writer(where)) as writer:
        with open_log(where):  # the writer waits for its turn, and all others behind it
            done = [writer.append([_decision(10 * n), _decision(10 * n + 1)]) for n in range(1, 51)]
            repeated = writer.append([_decision(1)])
            outcome = writer.receive([_outcome(20), _outcome(7)])
            assert not any(one.done() for one in (*done, repeated, outcome))
        assert [one.result(60) for one in done] == [2] * 50
        assert repeated.result(60) == 0
        assert [r.status for r in outcome.result(60)] == ["new", "unknown_decision"]
    assert _recorded(where) == sorted([1, *range(10, 510, 10), *range(11, 511, 10)])


def test_who_contradicts_the_log_is_refused_alone(where):
    record_decisions(where, [_decision(1)])
    with closing(Writer(where)) as writer:
        with open_log(where):
            first = writer.append([_decision(2)])
            wrong = writer.append([_decision(3), _decision(1, arm="control")])
            missing = writer.append([_decision(4, stake=float("nan"))])
            last = writer.append([_decision(5)])
        assert (first.result(60), last.result(60)) == (1, 1)
        with pytest.raises(RefusedError, match="L1:C1"):
            wrong.result(60)
        with pytest.raises(InputError, match="stake"):
            missing.result(60)
        with pytest.raises(InputError, match=r"'kind'.*o1"):
            writer.receive([_outcome(1, kind="loved it")])
    assert _recorded(where) == [1, 2, 5]


def test_more_than_may_wait_are_sent_away_and_the_others_are_kept(where):
    record_decisions(where, [_decision(0)])
    with closing(Writer(where, most_waiting=4)) as writer:
        taken = []
        with open_log(where):
            with pytest.raises(NotReadyError, match="4 writes wait"):
                taken.extend((n, writer.append([_decision(n)])) for n in range(1, 7))
            given_up = taken.pop()
            assert given_up[1].cancel()
        assert [one.result(60) for _, one in taken] == [1] * len(taken)
    assert _recorded(where) == [0, *(n for n, _ in taken)]


def test_closing_writes_what_waits_and_takes_nothing_more(where):
    writer = Writer(where)
    done = [writer.append([_decision(n)]) for n in range(300)]
    writer.close()
    assert all(one.result(0) == 1 for one in done)
    assert _recorded(where) == list(range(300))
    with pytest.raises(NotReadyError, match="closed"):
        writer.append([_decision(301)])
    writer.close()


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "decisions.db"
    with closing(Writer(path)) as writer:
        writer.append([_decision(1)]).result(60)
        path.rename(tmp_path / "old.db")
        writer.append([_decision(2)]).result(60)
    assert _recorded(path) == [2]


def _on_a_small_disk(path):
    """Exit with 0 if what does not fit fails by name, and what follows goes on."""
    with closing(Writer(path)) as writer:
        writer.append([_decision(1)]).result(60)
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 200_000, usual[1]))
        try:
            many = writer.append([_decision(n) for n in range(2, 5_000)])
            status = getattr(many.exception(60), "http_status", 0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        again = writer.append([_decision(2)]).result(60)
    sys.exit(0 if (status, again) == (503, 1) else 1)


def test_what_finds_no_room_is_refused_whole_and_the_next_goes_on(tmp_path):
    path = tmp_path / "decisions.db"
    process = multiprocessing.get_context("fork").Process(target=_on_a_small_disk, args=(path,))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert _recorded(path) == [1, 2]


_APPENDING = """
import json
import sys
from pathlib import Path
from features.database.address import Address
from serving.log.decisions import Decision
from serving.log.writer import Writer
start, one = int(sys.argv[2]), json.loads(sys.argv[3])
def decision(n):
    return Decision(**{**one, "decision_id": f"L1:C{n}", "rank": n})
writer = Writer(Address(sys.argv[1]) if "://" in sys.argv[1] else Path(sys.argv[1]))
for n in range(start, start + 900_000, 50):
    waiting = {k: writer.append([decision(k), decision(k + 1)]) for k in range(n, n + 50, 2)}
    for k, done in waiting.items():
        done.result()
        print(k, flush=True)
"""


def test_kills_lose_nothing_that_was_acknowledged_and_leave_nothing_half(where):
    place = where.url if isinstance(where, Address) else str(where)
    said = set()
    for kill in range(5):
        start, one = str(kill * 1_000_000), json.dumps(asdict(ONE))
        command = [sys.executable, "-c", _APPENDING, place, start, one]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            said |= {int(process.stdout.readline()) for _ in range(30 + 11 * kill)}
            process.send_signal(signal.SIGKILL)
            said |= {int(line) for line in process.stdout.read().split("\n")[:-1]}
        assert process.returncode == -signal.SIGKILL
    there = set(_recorded(where))
    assert said and {k for n in said for k in (n, n + 1)} <= there
    assert {n ^ 1 for n in there} == there, "an append is whole or not there"
    if isinstance(where, Path):
        with closing(log_session(where)) as session, session.transaction() as log:
            assert log.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Writer(where)) as writer:
        wait([writer.append([_decision(max(there) + 1)])])
