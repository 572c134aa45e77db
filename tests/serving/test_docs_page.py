"""/docs: whoever connects a CRM has every route with an example that is one, and every type."""

import json

import pytest
from starlette.testclient import TestClient

from serving.access.table import ANYONE, TABLE
from serving.api.decisions import OffersAnswer, OffersRequest, OutcomesAnswer, OutcomesRequest
from serving.api.docs import examples, guide
from serving.api.happenings import EventsAnswer, EventsRequest
from serving.api.problems import _TITLES
from serving.api.profiles import ProfileAnswer, ProfileRequest
from serving.api.schemas import ModelsAnswer, ScoresAnswer, ScoresRequest
from serving.log.outcomes import KINDS
from tests.serving.described import described, docs_text

TYPES = {
    "/v1/profile": (ProfileRequest, ProfileAnswer),
    "/v1/scores": (ScoresRequest, ScoresAnswer),
    "/v1/offers": (OffersRequest, OffersAnswer),
    "/v1/outcomes": (OutcomesRequest, OutcomesAnswer),
    "/v1/events": (EventsRequest, EventsAnswer),
    "/v1/models": (None, ModelsAnswer),
}


@pytest.fixture(scope="module")
def page() -> str:
    return docs_text()


@pytest.fixture(scope="module")
def openapi() -> dict:
    return TestClient(described()).get("/openapi.json").json()


@pytest.mark.parametrize("path", TYPES)
def test_each_example_is_a_question_and_an_answer_of_today_with_every_field(path):
    asks, answers = TYPES[path]
    example = examples()[path]
    assert (
        answers.model_validate_json(json.dumps(example["response"])).model_dump(mode="json")
        == (example["response"])
    )
    if asks:
        asks.model_validate_json(json.dumps(example["request"]))


def test_every_route_that_takes_a_key_and_json_has_its_example_on_the_page_and_in_openapi(page, openapi):
    assert set(examples()) == {p for p in openapi["paths"] if p.startswith("/v1/")}
    for path, example in examples().items():
        (operation,) = openapi["paths"][path].values()
        assert (
            operation["responses"]["200"]["content"]["application/json"]["example"] == example["response"]
        )
        assert f"http://127.0.0.1:3000{path}" in page


def test_every_route_role_type_and_status_is_told(page, openapi):
    for path, operations in openapi["paths"].items():
        for method, about in operations.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            assert all(f"<code>{status}</code>" in page for status in about["responses"])
    for (method, path), roles in TABLE.items():
        if path in openapi["paths"] and roles is not ANYONE:
            said = openapi["paths"][path][method.lower()]["description"]
            assert all(role in said for role in roles)
    for name, schema in openapi["components"]["schemas"].items():
        assert f"id='{name}'" in page
        assert all(f"<td><code>{field}</code></td>" in page for field in schema.get("properties", {}))


def test_every_link_leads_to_a_place_on_the_page(page):
    places = {part.partition("'")[0] for part in page.split("id='")[1:]}
    targets = {part.partition("'")[0] for part in page.split("href='#")[1:]}
    assert targets and targets <= places


def test_the_guide_tells_every_status_of_an_error_and_every_kind_of_outcome():
    words = " ".join(text for _, texts in guide() for text in texts)
    others = {404, 405}  # answered to whoever mistypes an address
    assert [status for status in _TITLES if status not in others and str(status) not in words] == []
    assert [kind for kind in KINDS if kind not in words] == []


def test_the_page_fetches_nothing_and_runs_nothing(page):
    assert not any(word in page for word in ("<script", "<link", "src=", "@import", "url("))
