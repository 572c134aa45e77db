"""The real server, started as the README says, on the small bank."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from features.home import Home
from serving.access.keys import add_key, revoke_key
from serving.access.table import TABLE
from serving.api.docs import examples
from serving.api.example import Tenure
from serving.batch import read_scores
from serving.champions import load_scorer
from serving.cli.clock import now
from tests.serving.running import running

README = Path(__file__).parents[1] / "README.md"
CURLS = re.findall(r"^(curl (?:[^\n]*\\\n)*[^\n]*)$", README.read_text(), re.MULTILINE)
GRAFANA = README.with_name("serving") / "grafana"
HERE = "http://127.0.0.1:3000"


@pytest.fixture(scope="module")
def served(bank: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A bank to write to: what is asked here is logged, and events change its features."""
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(bank.path, home)
    return Home(home)


@pytest.fixture(scope="module")
def key(served: Home) -> str:
    return add_key(served, "crm", "test", 1, now())[1]


@pytest.fixture(scope="module")
def server(served: Home, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with running(served, log, TENURE_ACCESS="keys") as service:
        yield service.address


def _ask(server: str, key: str, *customer_ids: str) -> Any:
    body = {"customer_ids": list(customer_ids), "reasons": True}
    answer = httpx.post(f"{server}/v1/scores", json=body, headers=_with(key), timeout=30)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


def _with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_the_service_answers_with_the_batchs_numbers_to_the_bit(server: str, key: str, bank: Home) -> None:
    _, frame = read_scores(bank, load_scorer(bank))
    scored = frame[frame["status"] == "ok"].head(100).set_index("customer_id")
    answer = _ask(server, key, *scored.index)
    assert [r["customer_id"] for r in answer["results"]] == scored.index.tolist()
    for result in answer["results"]:
        row = scored.loc[result["customer_id"]]
        assert result["status"] == "ok"
        assert result["churn"]["probability"] == row["churn"]
        assert result["churn"]["because"]
        assert result["value"]["expected"] == row["value_expected"]
        assert sum(result["value"]["parts"].values()) == pytest.approx(row["value_expected"])
        offered = {p["product"]: p["probability"] for p in result["propensity"]}
        columns = [c for c in scored.columns if c.startswith("propensity_")]
        expected = {c.removeprefix("propensity_"): row[c] for c in columns if not pd.isna(row[c])}
        assert offered == expected
    assert answer["feature_generation"]
    assert set(answer["models"]) == set(load_scorer(bank).models)
    assert {"churn", "value", "propensity"} <= set(answer["models"])


def test_unknown_and_unwilling_customers_get_no_score(server: str, key: str, bank: Home) -> None:
    _, frame = read_scores(bank, load_scorer(bank))
    unwilling = frame.loc[frame["status"] == "suppressed", "customer_id"].iloc[0]
    unknown, suppressed = _ask(server, key, "nobody", unwilling)["results"]
    assert (unknown["status"], unknown["reasons"]) == ("abstain", ["unknown_customer"])
    assert suppressed["status"] == "suppressed"
    for result in (unknown, suppressed):
        assert not any(result.get(part) for part in ("churn", "value", "propensity"))


def test_bad_input_is_a_problem_without_its_values(server: str, key: str) -> None:
    body = {"customer_ids": ["secret-id", 7]}
    answer = httpx.post(f"{server}/v1/scores", json=body, headers=_with(key), timeout=30)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "secret-id" not in answer.text


def test_without_a_key_the_running_service_tells_its_description_and_its_state_only(server: str) -> None:
    of_the_host = [("GET", f"/{name}") for name in ("schema.json", "docs.json", "static_content/index.css")]
    for method, path in (*TABLE, *of_the_host, ("GET", "/v1/anything")):
        answer = httpx.request(method, f"{server}{path}", timeout=30)
        public = path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz")
        assert answer.status_code in ((200, 307) if public else (401,)), path


def _shell(command: str, server: str, key: str) -> Any:
    """What a line of documentation prints, as a shell runs it."""
    done = subprocess.run(
        ["bash", "-euc", command.replace(HERE, server)],
        env={**os.environ, "TENURE_KEY": key},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(done.stdout)
    if answer.get("status") != 503:
        return answer
    time.sleep(1)  # as its Retry-After says: a busy machine may not store an event in time
    return _shell(command, server, key)


def test_the_readme_shows_how_to_ask_for_profile_scores_and_offers() -> None:
    assert all(any(f"/v1/{name} " in curl for curl in CURLS) for name in ("profile", "scores", "offers"))


@pytest.mark.parametrize("curl", CURLS)
def test_every_curl_of_the_readme_is_answered(curl: str, server: str, key: str) -> None:
    answer = _shell(curl, server, key)
    assert "results" in answer, answer


@pytest.mark.parametrize("path", examples())
def test_every_curl_of_the_docs_is_answered_with_the_fields_of_its_example(
    path: str, server: str, key: str
) -> None:
    page = unescape(httpx.get(f"{server}/docs", timeout=30).text)
    (curl,) = re.findall(rf"<pre>(curl -s {HERE}{path} .*?)</pre>", page, re.DOTALL)
    assert set(_shell(curl, server, key)) == set(examples()[path]["response"])


def test_the_client_to_copy_shows_a_customer_and_tells_what_followed(
    server: str, key: str, bank: Home
) -> None:
    _, frame = read_scores(bank, load_scorer(bank))
    who = frame.loc[frame["status"] == "ok", "customer_id"].iloc[0]
    with httpx.Client(base_url=server, timeout=30) as http:
        crm = Tenure(http, key)
        shown = crm.profile(who)
        assert shown["churn"]["probability"] == _ask(server, key, who)["results"][0]["churn"]["probability"]
        told = {"outcome_id": "crm-1", "decision_id": shown["decision_id"], "customer_id": who}
        told |= {"at": "2026-01-02T00:00:00Z", "kind": "shown", "known_at": "2026-01-02T00:00:00Z"}
        assert [crm.outcome(told), crm.outcome(told)] == ["new", "known"]


def _expressions() -> list[str]:
    """What the dashboard shows and the alerts watch, in Prometheus' language."""
    panels = json.loads((GRAFANA / "tenure.json").read_text())["panels"]
    groups = yaml.safe_load((GRAFANA / "alerts.yaml").read_text())["groups"]
    return [
        *(target["expr"] for panel in panels for target in panel["targets"]),
        *(rule["expr"] for group in groups for rule in group["rules"]),
    ]


def test_dashboard_and_alerts_ask_for_what_the_running_service_exports(
    server: str, served: Home, key: str
) -> None:
    _ask(server, key, "nobody")
    admin = add_key(served, "admin", "test", 1, now())[1]
    exported: dict[str, set[str]] = {}
    text = httpx.get(f"{server}/metrics", headers=_with(admin), timeout=30).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            exported.setdefault(sample.name, set()).update(sample.labels)
    assert len(_expressions()) >= 20
    for expression in _expressions():
        by = {label for each in re.findall(r"by \(([^)]*)\)", expression) for label in each.split(", ")}
        asked = re.findall(r"(tenure_\w+)(?:\{([^}]*)\})?", expression)
        assert asked
        for name, selector in asked:
            labels = by | set(re.findall(r"(\w+)(?:=|!=)", selector))
            assert name in exported and labels <= exported[name], expression


def test_a_key_that_is_revoked_is_refused_at_once(server: str, served: Home) -> None:
    made, key = add_key(served, "analyst", "test", 1, now())
    assert httpx.get(f"{server}/v1/models", headers=_with(key), timeout=30).status_code == 200
    assert httpx.post(f"{server}/v1/offers", headers=_with(key), json={}, timeout=30).status_code == 403
    revoke_key(served, made.id, now())
    assert httpx.get(f"{server}/v1/models", headers=_with(key), timeout=30).status_code == 401
