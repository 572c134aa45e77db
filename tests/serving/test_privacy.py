"""Erased customers: no byte of theirs is left in the home, and no source brings them back."""

import json
import multiprocessing
import os
import signal
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from features.errors import CorruptError, InputError, RefusedError
from features.history.load import import_folder
from features.online import OnlineReader
from features.online.events import Event, Events
from features.tombstones import Tombstones
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.api.kept import Kept
from serving.batch import read_scores, score_all
from serving.cli.main import main
from serving.deciding.adviser import adviser_of
from serving.lists.plan import make_plan
from serving.lists.pull import pull
from serving.live import Live
from serving.log.decisions import open_log, read_decisions, record_decisions
from serving.log.forget import forget
from serving.log.outcome_file import import_outcomes
from serving.log.outcomes import Outcome, record_outcomes
from serving.privacy import erase, is_ours
from tests.features.conftest import row, tiny_rows, write_bank
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online
from tests.serving.test_decisions import ONE, TWO

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLACES = {
    *("history", "offline", "online.db", "events.db", "scores", "lists", "decisions.db", "reports"),
    "retries.db",
}


def logged(where):
    with open_log(where, only_read=True) as log:
        return log.execute("SELECT * FROM decisions ORDER BY decision_id").fetchall()


def silent(_):
    pass


def outcome(of, number, decision_id=None):
    return Outcome(
        outcome_id=f"o{number}",
        decision_id=decision_id or of.decision_id,
        customer_id=of.customer_id,
        at=NOW,
        kind="accepted",
        known_at=NOW,
    )


@pytest.fixture
def lived(home, scorer, settings, frame, tmp_path):
    """A home that holds a customer in every place, and that customer; two others are in history beside."""
    score_all(home, scorer, silent)
    put_online(home, frame, "2026-01-01.1", AS_OF)
    said = {"settings": settings, "purpose": "test", "pulled_by": "test", "now": NOW, "tell": silent}
    listed = pull(home, "card", 60, tmp_path / "handed-over.csv", **said)
    make_plan(home, None, budgets={"total": 20.0}, fair=None, **said)
    who = listed.rows[0].customer_id
    of_list = read_decisions(home.decisions_db, listed.manifest.list_id)
    decision = next(d for d in of_list if d.customer_id == who)
    record_outcomes(home.decisions_db, [outcome(decision, 1), outcome(decision, 2, "of-nothing")])
    with closing(Events(home)) as events:
        events.add([Event("interactions", "X1", who, {"customer_id": who, "kind": "complaint"})])
    tables = tiny_rows()
    for rows in tables.values():
        for one in rows:
            one.update({"customer_id": who} if one.get("customer_id") == "C1" else {})
    tables["interactions"].append(row("interactions", interaction_id="bad", customer_id=who, rating=99.0))
    bank = write_bank(tmp_path / "export", **tables)
    asked = {"append": False, "threads": 1, "memory": "500MB", "max_quarantined": 0.5}
    import_folder(bank, home, None, tell=silent, **asked)
    with closing(Kept(home.retries_db)) as kept:
        kept.keep("key", "asked", f'{{"customer_id": "{who}"}}')
    (home.reports / "named.html").write_text(f"<p>{who} breaks a rule</p>")
    return home, who


def holds(home, who):
    """Where a customer's id is, looked for in the bytes of every file, and in the values of packed ones."""
    found = set()
    for path in (p for p in home.path.rglob("*") if p.is_file()):
        values = repr(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else b""
        if who.encode() in path.read_bytes() + values:
            found.add(path.relative_to(home.path).parts[0].removesuffix("-wal"))
    return found


def erase_from(home, who, settings, tell=silent):
    return erase(home, [who], settings, by="test", now=NOW, tell=tell)


def test_no_byte_of_an_erased_customer_is_left_and_others_stay(lived, settings, scorer, frame):
    home, who = lived
    assert holds(home, who) == PLACES
    others = [w for w in frame["customer_id"] if w != who]
    before = [row for row in logged(home.decisions_db) if who not in row]
    told = OnlineReader(home).read(others).columns
    receipt, path = erase_from(home, who, settings)
    assert holds(home, who) == set()
    assert {place.split("/")[0] for place in receipt.removed} == {
        *("history", "features", "online", "scores", "lists", "log", "pages", "answers"),
    }
    assert receipt.removed["history/interactions"] == 3, "quarantine too"
    assert receipt.removed["log/outcomes"] == receipt.removed["log/quarantine"] == 1
    assert logged(home.decisions_db) == before
    reader = OnlineReader(home)
    assert reader.read([who]).found == [False]
    assert reader.read(others).columns == told
    assert read_scores(home, scorer)[1]["customer_id"].tolist() == others
    assert set(receipt.learned) == {"churn", "value", "propensity"} and is_ours(path, settings.salt)
    path.write_text(path.read_text().replace('"by": "test"', '"by": "nobody"'))
    assert not is_ours(path, settings.salt)


def test_an_erased_customer_does_not_come_back_from_the_source(lived, settings, tmp_path):
    home, who = lived
    erase_from(home, who, settings)
    stones = Tombstones.of(home, settings.salt)
    asked = {"threads": 1, "memory": "500MB", "max_quarantined": 0.0, "tell": silent}
    asked["erased"] = stones.among
    again = import_folder(tmp_path / "export", home, None, append=False, **asked)
    assert again.erased == {"customers": 2, "holdings": 2, "transactions": 8, "interactions": 3}
    assert not again.quarantined and again.rows["customers"] == 2
    rows = [row("interactions", interaction_id="I9", customer_id=who)]
    late = write_bank(tmp_path / "late", interactions=rows)
    more = import_folder(late, home, None, append=True, **asked)
    assert more.erased == {"interactions": 1} and more.added["interactions"] == 0
    assert holds(home, who) == set()
    with pytest.raises(RefusedError, match="another TENURE_SALT"):
        Tombstones.of(home, "another")


def _erase_and_die(home, who, settings, at):
    told = count()
    erase_from(
        home, who, settings, tell=lambda _: next(told) == at and os.kill(os.getpid(), signal.SIGKILL)
    )


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_run_that_was_killed_is_finished_by_the_next_and_another_changes_nothing(lived, settings, at):
    home, who = lived
    fork = multiprocessing.get_context("fork")
    child = fork.Process(target=_erase_and_die, args=(home, who, settings, at))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not list(home.erased.glob("receipt-*")) and Tombstones.of(home, settings.salt).among([who])
    assert bool(holds(home, who)) == (at < 2)
    erase_from(home, who, settings)
    assert holds(home, who) == set()
    receipt, _ = erase_from(home, who, settings)
    assert receipt.removed == {}


def test_the_log_forgets_some_customers_and_stays_append_only(where):
    record_decisions(where, [ONE, TWO])
    told = [outcome(ONE, 1), outcome(TWO, 2), outcome(ONE, 3, "none"), outcome(TWO, 4, "L1:C1")]
    record_outcomes(where, told)
    assert forget(where, ["C1"]) == {"outcomes": 1, "quarantine": 2, "decisions": 1}
    left = logged(where)
    assert [row[0] for row in left] == [TWO.decision_id] and forget(where, ["C1"]) == {}
    with pytest.raises(RefusedError, match="append-only"), open_log(where) as log:
        log.execute("DELETE FROM decisions")
    assert logged(where) == left


def test_the_verb_erases_writes_a_receipt_and_checks_one(lived):
    home, who = lived

    def run(*words):
        return CliRunner().invoke(main, ["erase", *words, "--home", str(home.path), "--json"])

    done = run(who, who)
    assert done.exit_code == 0, done.stderr or done.output
    receipt = json.loads(done.stdout)
    assert len(receipt["tombstones"]) == 1 and who not in done.stdout
    assert holds(home, who) == set()
    assert '"erased"' in (home.path / "access" / "audit.jsonl").read_text()
    assert json.loads(run("--check", receipt["receipt"]).stdout)["ours"] is True
    file = Path(receipt["receipt"])
    file.write_text(file.read_text().replace(receipt["by"], "somebody"))
    assert run("--check", str(file)).exit_code == CorruptError.exit_code
    assert run().exit_code == run("--check", str(file), who).exit_code == InputError.exit_code


def test_an_outcome_of_an_erased_customer_is_left_out_by_file_and_by_the_api(
    lived, settings, scorer, frame, memory_reader, tmp_path
):
    home, who = lived
    erase_from(home, who, settings)
    adviser = adviser_of(Live(scorer, memory_reader()), home, settings.salt)
    client = TestClient(create_app(Desk(lambda: adviser), lambda: NOW))
    other = next(w for w in frame["customer_id"] if w != who)
    stated = [outcome(replace(ONE, customer_id=w), number) for number, w in enumerate((who, other))]
    moment = dict.fromkeys(("at", "known_at"), "2026-01-02T12:00:00Z")
    body = {"outcomes": [asdict(o) | moment for o in stated]}
    answer = client.post("/v1/outcomes", json=body)
    assert [r["status"] for r in answer.json()["results"]] == ["erased_customer", "unknown_decision"]
    file = tmp_path / "outcomes.csv"
    head = "outcome_id,decision_id,customer_id,at,kind,known_at"
    file.write_text(f"{head}\no9,{who},{who},{NOW.isoformat()},shown,{NOW.isoformat()}\n")
    stones = Tombstones.of(home, settings.salt)
    assert import_outcomes(file, home.decisions_db, silent, erased=stones.among).erased == 1
    assert holds(home, who) == set()
