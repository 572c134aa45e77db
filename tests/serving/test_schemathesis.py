"""Every route against questions made from the service's own description."""

import os
from datetime import UTC, datetime
from itertools import count, cycle

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from serving.access.door import Door
from serving.access.guard import Keyed
from serving.access.keys import add_key
from serving.access.table import ROLES
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.deciding.adviser import adviser_of
from serving.live import Live

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CASES = int(os.environ.get("TENURE_FUZZ", "10"))
"""Questions for each route, right ones and as many wrong ones."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
]


@pytest.fixture
def key(home):
    return add_key(home, "admin", "fuzz", 1, NOW)[1]


@pytest.fixture
def described(home, scorer, memory_reader, key):
    adviser = adviser_of(Live(scorer, memory_reader()), home, "pepper")
    return described_by(home, Desk(lambda: adviser))


def described_by(home, desk, intake=None):
    """The description of a guarded app, to make questions from."""
    rates = dict.fromkeys(ROLES, 1_000_000)
    seconds = count(step=10)  # so much time that wrong keys are 401, never 429
    access = Keyed(Door(home, lambda: NOW, lambda: next(seconds)), rates, lambda: next(seconds))
    app = create_app(desk, lambda: NOW, lambda: access, intake)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


BODIES = ("/v1/profile", "/v1/scores", "/v1/offers", "/v1/outcomes")
BOTH = tuple(GenerationMode)
ASKED = [
    *((path, mode) for path in BODIES for mode in BOTH),
    # Without input, so nothing that is sent there is wrong.
    *((path, GenerationMode.POSITIVE) for path in ("/v1/models", "/metrics")),
]


@pytest.mark.parametrize(("path", "mode"), ASKED, ids=lambda each: getattr(each, "value", each))
def test_no_question_breaks_the_service_or_its_description(described, key, path, mode):
    ask_about(described, key, path, mode)


@pytest.mark.parametrize("mode", BOTH, ids=lambda mode: mode.value)
def test_no_outcome_of_a_decision_breaks_the_service(home, scorer, memory_reader, frame, key, mode):
    adviser = adviser_of(Live(scorer, memory_reader()), home, "pepper")
    ids = frame["customer_id"].head(20).tolist()
    made = cycle(a.decision for a in adviser.answer(ids, name="visit") if a.decision)

    def changed(case):
        told = case.body.get("outcomes") if isinstance(case.body, dict) else None
        for outcome in told if isinstance(told, list) else ():
            if isinstance(outcome, dict):
                decision = next(made)
                outcome |= {"decision_id": decision.decision_id, "customer_id": decision.customer_id}

    described = described_by(home, Desk(lambda: adviser))
    checks = CHECKS if mode is GenerationMode.POSITIVE else [not_a_server_error, status_code_conformance]
    ask_about(described, key, "/v1/outcomes", mode, changed, checks)


def ask_about(described, key, path, mode, changed=lambda case: None, checks=CHECKS):
    """Ask one route CASES questions, each of which `changed` may change, and check every answer."""
    operation = next(o for o in (r.ok() for r in described.get_all_operations()) if o.path == path)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def ask(case):
        changed(case)
        case.call_and_validate(checks=checks, headers={"Authorization": f"Bearer {key}"})

    ask()
