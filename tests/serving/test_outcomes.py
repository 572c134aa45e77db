import csv
from dataclasses import replace
from datetime import datetime

import pytest

from features.errors import InputError, NotReadyError, RefusedError
from serving.decisions import Decision, open_log, record_decisions
from serving.outcomes import import_outcomes, report

COLUMNS = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at")
AT = "2026-02-01T10:00:00Z"


def _decision(number: int, arm: str) -> Decision:
    return Decision(
        *(f"L1:C{number}", "L1", f"C{number}", number, arm, 0.9 if arm == "target" else 0.1),
        *("card", "call", 0.2, 9.5, 70.0, 4.5, "EUR", "churn/1", "c1", "p1", "g1"),
        *("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "decisions.db"
    record_decisions(path, [_decision(n, "target" if n <= 180 else "control") for n in range(1, 201)])
    return path


def _write(path, rows):
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def _bought(*numbers):
    return [(f"o{n}", f"L1:C{n}", f"C{n}", AT, "bought", AT) for n in numbers]


def _stored(log):
    with open_log(log) as opened:
        return opened.execute("SELECT count(*) FROM outcomes").fetchone()[0]


def test_the_report_is_the_difference_of_two_rates(log, tmp_path):
    rows = [*_bought(*range(1, 37)), *_bought(181, 182)]
    rows.append(("o999", "L1:C1", "C1", AT, "bought", AT))  # twice bought is one taker
    rows.append(("o998", "L1:C50", "C50", AT, "accepted", AT))  # accepted is not bought
    summary = import_outcomes(_write(tmp_path / "o.csv", rows), log, lambda _: None)
    assert (summary.rows, summary.new, summary.kinds) == (40, 40, {"bought": 39, "accepted": 1})
    earned = report(log, "L1")
    assert (earned.target_takers, earned.target, earned.control_takers, earned.control) == (36, 180, 2, 20)
    assert earned.difference == pytest.approx(0.2 - 0.1)
    assert earned.incremental_takers == pytest.approx(18)
    assert earned.contact_cost == pytest.approx(180 * 4.5)
    assert earned.profit == pytest.approx(18 * 70 - 810)
    assert earned.profit_low == pytest.approx(earned.difference_low * 180 * 70 - 810)
    assert earned.profit_low < earned.profit < earned.profit_high
    assert earned.sample_ratio_p == pytest.approx(1.0)
    assert datetime.fromisoformat(earned.outcomes_until) == datetime.fromisoformat(AT)


def test_importing_again_adds_nothing(log, tmp_path):
    path = _write(tmp_path / "o.csv", _bought(1, 2))
    import_outcomes(path, log, lambda _: None)
    assert import_outcomes(path, log, lambda _: None).new == 0
    other_zone = [(*_bought(1)[0][:3], "2026-02-01T11:00:00+01:00", "bought", AT)]
    assert import_outcomes(_write(path, other_zone), log, lambda _: None).new == 0
    assert _stored(log) == 2


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        (("o3", "L9:C3", "C3", AT, "bought", AT), RefusedError, "unknown decisions: o3"),
        (("o3", "L1:C3", "C4", AT, "bought", AT), RefusedError, "not the decision's: o3"),
        (("o1", "L1:C1", "C1", AT, "refused", AT), RefusedError, "recorded otherwise: o1"),
        (("o3", "L1:C3", "C3", "2026-02-01T10:00:00", "bought", AT), InputError, "'at'.*zone.*o3"),
        (("o3", "L1:C3", "C3", AT, "bought", "soon"), InputError, "'known_at'.*o3"),
        (("o3", "L1:C3", "C3", AT, "loved it", AT), InputError, "'kind'.*o3"),
        (("", "L1:C3", "C3", AT, "bought", AT), InputError, "'outcome_id': empty: 3"),
        (("o2", "L1:C3", "C3", AT, "bought", AT), InputError, "twice in the file: o2"),
    ],
)
def test_one_bad_row_refuses_the_whole_file(log, tmp_path, row, error, message):
    import_outcomes(_write(tmp_path / "first.csv", _bought(1)), log, lambda _: None)
    path = _write(tmp_path / "o.csv", [*_bought(2), row])
    with pytest.raises(error, match=message) as caught:
        import_outcomes(path, log, lambda _: None)
    assert "cure" in str(caught.value)
    assert _stored(log) == 1


def test_files_that_are_no_outcomes(log, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        import_outcomes(tmp_path / "none.csv", log, lambda _: None)
    path = tmp_path / "o.csv"
    path.write_text("outcome_id,decision_id\no1,L1:C1\n")
    with pytest.raises(InputError, match="'customer_id' is missing"):
        import_outcomes(path, log, lambda _: None)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="CSV in UTF-8"):
        import_outcomes(path, log, lambda _: None)


def test_reports_that_cannot_be_given(log, tmp_path):
    with pytest.raises(NotReadyError, match="no outcomes yet"):
        report(log, "L1")
    alone = replace(_decision(1, "target"), decision_id="L2:C1", list_id="L2")
    record_decisions(log, [alone])
    rows = [("p1", "L2:C1", "C1", AT, "bought", AT)]
    import_outcomes(_write(tmp_path / "o.csv", rows), log, lambda _: None)
    with pytest.raises(RefusedError, match="0 control"):
        report(log, "L2")
