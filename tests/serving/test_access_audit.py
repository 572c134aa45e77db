"""Who was let in and shut out, who put a model in force, and who asked for a decision: told for good."""

import json
import logging
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from features.errors import FullError
from features.home import Home
from serving.access.audit import audit
from serving.access.door import Door
from serving.access.guard import Keyed
from serving.access.keys import add_key, revoke_key
from serving.access.table import ROLES
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.cli.main import main
from serving.deciding.adviser import adviser_of
from serving.lines import JsonLines
from serving.live import Live
from serving.log.decisions import read_decisions

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RATES = dict.fromkeys(ROLES, 1_000_000)


def _told(home: Home) -> list[dict[str, object]]:
    return [json.loads(line) for line in home.keys.with_name("audit.jsonl").read_text().splitlines()]


def _run(home: Home, *words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--home", str(home.path)])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_who_issued_and_revoked_a_key_is_one_line_each_without_the_key(tmp_path: Path) -> None:
    home = Home(tmp_path / "bank")
    token = _run(home, "keys", "add", "--role", "crm", "--name", "Ada of the call centre")
    _run(home, "keys", "revoke", token[4:16])
    issued, revoked = _told(home)
    assert (issued["event"], revoked["event"]) == ("issued", "revoked")
    for line in (issued, revoked):
        assert set(line) == {"time", "level", "logger", "event", "by", "key", "role"}
        assert (line["key"], line["role"], line["logger"]) == (token[4:16], "crm", "tenure.access")
        assert line["by"]
    kept = home.keys.with_name("audit.jsonl")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert token[-64:] not in kept.read_text() and "Ada" not in kept.read_text()


def test_an_audit_that_cannot_be_written_is_said_and_the_key_is_not_shown(tmp_path: Path) -> None:
    home = Home(tmp_path / "bank")
    home.keys.with_name("audit.jsonl").mkdir(parents=True)
    with pytest.raises(FullError, match="not noted; cure"):
        audit(home, "issued", by="ada", key="0123456789ab")
    done = CliRunner().invoke(
        main, ["keys", "add", "--role", "crm", "--name", "x", "--home", str(home.path)]
    )
    assert done.exit_code != 0 and "tnr_" not in done.output


def test_every_reason_to_be_refused_is_a_line_that_names_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path / "bank")
    good, token = add_key(home, "crm", "x", 90, NOW)
    old, expired = add_key(home, "crm", "x", 1, NOW - timedelta(days=1))
    gone, revoked = add_key(home, "crm", "x", 90, NOW)
    revoke_key(home, gone.id, NOW)
    door = Door(home, lambda: NOW, lambda: 0.0)
    app = create_app(Desk(lambda: None), lambda: NOW, lambda: Keyed(door, RATES, lambda: 0.0))
    client = TestClient(app)
    caplog.set_level(logging.INFO, "tenure")
    unknown = f"tnr_{'f' * 12}_{'0' * 64}"
    for sent in (token[:-64] + "0" * 64, expired, revoked, unknown):
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {sent}"}).status_code == 401
    lines = [json.loads(JsonLines().format(r)) for r in caplog.records if r.name == "tenure.access"]
    assert [(line["event"], line["key"], line["why"]) for line in lines] == [
        ("refused", good.id, "wrong secret"),
        ("refused", old.id, "expired"),
        ("refused", gone.id, "revoked"),
        ("refused", "", "no such key"),
    ]
    caplog.clear()
    assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 403
    (line,) = (json.loads(JsonLines().format(r)) for r in caplog.records if r.name == "tenure.requests")
    assert (line["status"], line["route"], line["key"]) == (403, "/metrics", good.id)


def test_one_who_is_refused_for_ever_cannot_flood_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path / "bank")
    _, token = add_key(home, "crm", "x", 1, NOW - timedelta(days=1))
    door = Door(home, lambda: NOW, lambda: 0.0)
    app = create_app(Desk(lambda: None), lambda: NOW, lambda: Keyed(door, RATES, lambda: 0.0))
    client = TestClient(app)
    head = {"Authorization": f"Bearer {token}"}
    assert {client.get("/v1/models", headers=head).status_code for _ in range(50)} == {401}
    assert len([r for r in caplog.records if r.name == "tenure.access"]) == 10


def test_a_decision_records_whose_key_asked_and_never_the_key(home, scorer, memory_reader, frame) -> None:
    adviser = adviser_of(Live(scorer, memory_reader()), home, "pepper")
    made = {path: add_key(home, "crm", path, 90, NOW) for path in ("/v1/offers", "/v1/profile")}
    door = Door(home, lambda: NOW, lambda: 0.0)
    app = create_app(Desk(lambda: adviser), lambda: NOW, lambda: Keyed(door, RATES, lambda: 0.0))
    client, asked = TestClient(app), {}
    for path, (key, token) in made.items():
        ids = frame["customer_id"].head(20).tolist()
        head = {"Authorization": f"Bearer {token}"}
        answer = client.post(path, json={"customer_ids": ids}, headers=head).json()
        asked |= {r["decision_id"]: key.id for r in answer["results"] if r["decision_id"]}
    logged = read_decisions(home.decisions_db, "live")
    assert {d.decision_id: d.asked_by for d in logged} == asked
    assert set(asked.values()) == {key.id for key, _ in made.values()}
    kept = b"".join(p.read_bytes() for p in home.path.rglob("decisions*") if p.is_file())
    assert kept and not any(token[-64:].encode() in kept for _, token in made.values())
