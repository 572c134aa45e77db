import csv
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.database.address import Address
from features.errors import InputError, NotReadyError, RefusedError
from serving.log.decisions import Decision, log_session, open_log, read_decisions, record_decisions
from serving.log.outcome_file import import_outcomes
from serving.log.outcomes import KINDS, Outcome, Received, record_outcomes

COLUMNS = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at")
AT = "2026-02-01T10:00:00Z"
DECIDED = datetime(2026, 1, 2, tzinfo=UTC)


def _decision(number: int, arm: str) -> Decision:
    share = 0.9 if arm == "target" else 0.1
    return Decision(
        decision_id=f"L1:C{number}",
        campaign="L1",
        kind="list",
        customer_id=f"C{number}",
        rank=number,
        arm=arm,
        arm_probability=share,
        option="card.call",
        action="card.call" if arm == "target" else "",
        probability=share,
        offer="card",
        product="card",
        channel="call",
        chance=0.2,
        expected_value=9.5,
        stake=70.0,
        contact_cost=4.5,
        window_days=90,
        basis="prior",
        currency="EUR",
        models="churn/1",
        catalogue_version="c1",
        policy_version="p1",
        feature_generation="g1",
        as_of="2026-01-01T00:00:00Z",
        decided_at="2026-01-02T00:00:00Z",
    )


@pytest.fixture
def log(where):
    record_decisions(where, [_decision(n, "target" if n <= 180 else "control") for n in range(1, 201)])
    return where


def _write(path, rows):
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def _bought(*numbers):
    return [(f"o{n}", f"L1:C{n}", f"C{n}", AT, "bought", AT) for n in numbers]


def _outcome(number, days=30.0, **fields):
    at = DECIDED + timedelta(days=days)
    of = {"outcome_id": f"o{number}", "decision_id": f"L1:C{number}", "customer_id": f"C{number}"}
    return Outcome(**{**of, "at": at, "kind": "bought", "known_at": at, **fields})


def _stored(log, table="outcomes"):
    with open_log(log) as opened:
        return opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_file_comes_in_once_however_often_it_is_imported(log, tmp_path):
    path = _write(tmp_path / "o.csv", [*_bought(1, 2), *_bought(2)])
    first = import_outcomes(path, log, lambda _: None)
    assert (first.rows, first.new, first.kinds) == (3, 2, {"bought": 3})
    assert import_outcomes(path, log, lambda _: None).new == 0
    other_zone = [(*_bought(1)[0][:3], "2026-02-01T11:00:00+01:00", "bought", AT)]
    assert import_outcomes(_write(path, other_zone), log, lambda _: None).new == 0
    assert _stored(log) == 2


def test_a_file_may_say_which_product_and_what_it_is_worth(log, tmp_path):
    path = tmp_path / "o.csv"
    path.write_text(f"{','.join(COLUMNS)},product,amount\no1,L1:C1,C1,{AT},bought,{AT},loan,260.5\n")
    import_outcomes(path, log, lambda _: None)
    with open_log(log) as opened:
        assert opened.execute("SELECT product, amount FROM outcomes").fetchone() == ("loan", 260.5)
    path.write_text(f"{','.join(COLUMNS)},amount\no2,L1:C1,C1,{AT},bought,{AT},many\n")
    with pytest.raises(InputError, match=r"'amount'.*o2"):
        import_outcomes(path, log, lambda _: None)
    with pytest.raises(InputError, match="'amount': not a finite number: o2"):
        record_outcomes(log, [_outcome(2, amount=float("nan"))])


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        (("o3", "L9:C3", "C3", AT, "bought", AT), RefusedError, "unknown decisions: o3"),
        (("o3", "L1:C3", "C4", AT, "bought", AT), RefusedError, "not the decision's: o3"),
        (("o1", "L1:C1", "C1", AT, "refused", AT), RefusedError, "recorded otherwise: o1"),
        (("o2", "L1:C3", "C3", AT, "bought", AT), RefusedError, "recorded otherwise: o2"),
        (("o3", "L1:C3", "C3", "2026-02-01T10:00:00", "bought", AT), InputError, "'at'.*zone.*o3"),
        (("o3", "L1:C3", "C3", AT, "bought", "soon"), InputError, "'known_at'.*o3"),
        (("o3", "L1:C3", "C3", AT, "loved it", AT), InputError, "'kind'.*o3"),
        (("", "L1:C3", "C3", AT, "bought", AT), InputError, "'outcome_id': empty: row 2"),
    ],
)
def test_one_bad_row_refuses_the_whole_file(log, tmp_path, row, error, message):
    import_outcomes(_write(tmp_path / "first.csv", _bought(1)), log, lambda _: None)
    path = _write(tmp_path / "o.csv", [*_bought(2), row])
    with pytest.raises(error, match=message) as caught:
        import_outcomes(path, log, lambda _: None)
    assert "cure" in str(caught.value)
    assert (_stored(log), _stored(log, "quarantine")) == (1, 0)


def test_a_few_orphans_go_into_quarantine_and_nothing_is_lost(log, tmp_path):
    orphan = ("o900", "L9:C9", "C9", AT, "bought", AT)
    swapped = ("o901", "L1:C1", "C2", AT, "bought", AT)
    path = _write(tmp_path / "o.csv", [*_bought(*range(1, 101)), orphan, swapped])
    told = []
    with pytest.raises(RefusedError, match=r"2 of 102 .*at most 1\.0%"):
        import_outcomes(path, log, told.append)
    summary = import_outcomes(path, log, told.append, max_quarantined=0.02)
    assert (summary.new, summary.quarantined, summary.kinds) == (100, 2, {"bought": 100})
    assert any("quarantine" in line for line in told)
    assert import_outcomes(path, log, told.append, max_quarantined=0.02).new == 0
    with open_log(log) as opened:
        kept = opened.execute("SELECT outcome_id, reason FROM quarantine ORDER BY 1").fetchall()
    assert kept == [("o900", "unknown_decision"), ("o901", "other_customer")]
    # Once the decision is there, the same outcome finds it.
    later = replace(_decision(9, "target"), decision_id="L9:C9", campaign="L9")
    record_decisions(log, [later])
    assert import_outcomes(path, log, told.append, max_quarantined=0.02).new == 1


def test_each_outcome_that_is_handed_in_is_answered_for(log):
    day = DECIDED + timedelta(days=1)
    given_ = [
        _outcome(1),
        _outcome(1),
        _outcome(1, kind="refused"),
        _outcome(2, decision_id="L9:C2"),
        _outcome(3, customer_id="C4"),
        _outcome(4, days=-0.5),
        _outcome(5, days=90),
        _outcome(6, at=day.astimezone(timezone(timedelta(hours=8))), known_at=day),
    ]
    assert record_outcomes(log, given_) == (
        Received("o1", "new"),
        Received("o1", "known"),
        Received("o1", "changed"),
        Received("o2", "unknown_decision"),
        Received("o3", "other_customer"),
        Received("o4", "new", "early"),
        Received("o5", "new", "late"),
        Received("o6", "new"),
    )
    assert [r.status for r in record_outcomes(log, [given_[0], given_[5]])] == ["known", "known"]
    with pytest.raises(InputError, match="without a zone: o7"):
        record_outcomes(log, [_outcome(7, at=datetime(2026, 2, 1))])
    assert _stored(log) == 4


_HOSTILE = (
    *("C'; DROP TABLE decisions;--", 'C" OR "1"="1', "%", "_", "C1%", "?", "$1"),
    *("C\\", "C'')--", "客户"),
)


def test_ids_are_values_and_never_part_of_a_question(where):
    named = [
        replace(_decision(n, "target"), decision_id=f"L1:{who}", customer_id=who)
        for n, who in enumerate(_HOSTILE)
    ]
    # More ids than one statement can bind stand for a huge IN.
    many = [_decision(n, "target") for n in range(100, 2_100)]
    assert record_decisions(where, [*named, *many]) == len(named) + len(many)
    given_ = [
        _outcome(n, decision_id=d.decision_id, customer_id=d.customer_id)
        for n, d in enumerate([*named, *many])
    ]
    assert {r.status for r in record_outcomes(where, given_)} == {"new"}
    found = read_decisions(where, "L1")
    assert {d.customer_id for d in found if d.rank < 100} == set(_HOSTILE)
    for campaign in ("L%", "L_", "L1' OR '1'='1", "L1';--"):
        with pytest.raises(NotReadyError, match="no campaign"):
            read_decisions(where, campaign)


@settings(deadline=None, max_examples=25)
@given(st.integers(-(10**7), 10**7))
def test_an_outcome_counts_from_its_decision_to_the_end_of_its_window(new_log, seconds):
    path = new_log()
    record_decisions(path, [_decision(1, "target")])
    (found,) = record_outcomes(path, [_outcome(1, days=seconds / 86_400)])
    end = 90 * 86_400
    assert found.flag == ("early" if seconds < 0 else "late" if seconds >= end else "")


@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(KINDS[:3])), max_size=15), st.randoms())
def test_order_and_repetition_of_outcomes_do_not_matter(new_log, drawn, random):
    def stored(batches):
        path = new_log()
        record_decisions(path, [_decision(n, "target") for n in range(1, 13)])
        for batch in batches:
            record_outcomes(path, batch)
        with open_log(path) as log:
            return log.execute("SELECT * FROM outcomes ORDER BY outcome_id").fetchall()

    outcomes = [_outcome(n, outcome_id=f"{n}-{kind}", kind=kind) for n, kind in drawn]
    shuffled = [*outcomes, *outcomes]
    random.shuffle(shuffled)
    assert stored([outcomes]) == stored([[o] for o in shuffled])


def test_files_that_are_no_outcomes(log, new_log, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        import_outcomes(tmp_path / "none.csv", log, lambda _: None)
    path = tmp_path / "o.csv"
    path.write_text("outcome_id,decision_id\no1,L1:C1\n")
    with pytest.raises(InputError, match="'customer_id' is missing"):
        import_outcomes(path, log, lambda _: None)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="CSV in UTF-8"):
        import_outcomes(path, log, lambda _: None)
    with pytest.raises(NotReadyError, match="tenure lists pull"):
        record_outcomes(nowhere := new_log(), [_outcome(1)])
    assert not log_session(nowhere).ready()


_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from features.database.address import Address
from serving.log.outcomes import Outcome, record_outcomes
where = Address(sys.argv[1]) if "://" in sys.argv[1] else Path(sys.argv[1])
at = datetime(2026, 2, 1, tzinfo=UTC)
for n in range(1_000_000):
    one = {"decision_id": "L1:C1", "customer_id": "C1", "at": at, "kind": "shown", "known_at": at}
    record_outcomes(where, [Outcome(outcome_id=f"{n}-{i}", **one) for i in range(3)])
    print(n, flush=True)
"""


def test_a_kill_loses_no_outcome_that_was_acknowledged(log):
    # Hangs up when the parent does; the kill falls somewhere into the writes that follow.
    place = log.url if isinstance(log, Address) else str(log)
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, place], stdout=subprocess.PIPE, text=True
    ) as writer:
        said = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    assert writer.returncode == -signal.SIGKILL
    with open_log(log) as opened:
        there = {row[0] for row in opened.execute("SELECT outcome_id FROM outcomes")}
        if isinstance(log, Path):
            assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {f"{n}-{i}" for n in said for i in range(3)} <= there
    assert len(there) % 3 == 0, "a batch is whole or not there"
