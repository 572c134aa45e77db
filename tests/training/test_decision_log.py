"""Contacts of the decision log: only what was drawn by chance, with the chance that it had."""

import json
from dataclasses import fields

import pandas as pd
import pytest

from features.catalogue import load_catalogue
from features.home import Home
from features.snapshots import current_generation
from serving.log.decisions import Decision, record_decisions
from training.specs import RESPONSE, RETENTION
from training.uplift.campaign_log import CONTACT_DAYS
from training.uplift.decision_log import decided_contacts, without_decided
from training.uplift.responses import CHANNEL, CONTACT_COLUMNS, PROBABILITY, PRODUCT, TREATED

WORDS = {"kind": "plan", "arm": "random_eligible", "basis": "model", "currency": "EUR"}


def decision(number: int, as_of: str, action: str, kept: tuple[str, ...], names: list[str], **values: str):
    """One logged decision; all options but `kept` were removed."""
    removed = {"rule": [name for name in names if name not in kept]}
    given = {f.name: "" if f.type == "str" else 0 for f in fields(Decision)}
    told = {
        "decision_id": f"D{number}",
        "customer_id": f"C{number:07d}",
        "as_of": as_of,
        "decided_at": as_of,
    }
    told |= {"action": action, "probability": 0.5, "removed": json.dumps(removed), "window_days": 90}
    return Decision(**{**given, **WORDS, **told, **values})


@pytest.fixture
def logged(own_bank) -> Home:
    home: Home = own_bank[0]
    home.decisions_db.unlink(missing_ok=True)
    names = [option.name for option in load_catalogue(home.catalogue).options]
    moment = current_generation(home).snapshots[-2].isoformat()
    two = ("card.app", "loan.call")
    made = [
        decision(1, moment, "card.app", two, names),
        decision(2, moment, "", two, names),
        decision(3, moment, "card.app", two, names, arm="champion"),
        decision(4, moment, "fee_waiver.app", ("fee_waiver.app",), names),
        decision(5, moment, "card.app", two, names, kind="live"),
        decision(6, "2020-05-05T00:00:00+00:00", "card.app", two, names),
        decision(7, moment, "", (), names),
    ]
    record_decisions(home.decisions_db, made)
    return home


def test_only_the_random_arm_of_plans_counts(logged: Home) -> None:
    found = decided_contacts(logged, RESPONSE).set_index("customer_id")
    assert found.index.tolist() == ["C0000001", "C0000002"]
    assert found[TREATED].tolist() == [1.0, 0.0]
    assert found[PROBABILITY].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert found.loc["C0000001", [PRODUCT, CHANNEL]].tolist() == ["card", "app"]
    assert tuple(found.loc["C0000002", [PRODUCT, CHANNEL]]) in {("card", "app"), ("loan", "call")}


def test_a_retention_offer_is_about_leaving(logged: Home) -> None:
    found = decided_contacts(logged, RETENTION)
    assert found["customer_id"].tolist() == ["C0000004"]
    assert found[PROBABILITY].tolist() == [0.5]


def test_customers_under_a_decision_are_no_random_contacts_of_campaigns(logged: Home) -> None:
    moment = pd.Timestamp(current_generation(logged).snapshots[-2])
    long_ago = moment - pd.Timedelta(days=CONTACT_DAYS + 1)
    rows = [(i, at, "card", "app", 1.0, 0.5) for i in ("C0000003", "C0000099") for at in (moment, long_ago)]
    left = without_decided(logged, pd.DataFrame(rows, columns=CONTACT_COLUMNS))
    assert left[["customer_id", "as_of"]].values.tolist() == [
        ["C0000003", long_ago],
        ["C0000099", moment],
        ["C0000099", long_ago],
    ]


def test_without_a_log_there_is_nothing_to_add(own_bank) -> None:
    home = own_bank[0]
    home.decisions_db.unlink(missing_ok=True)
    assert decided_contacts(home, RESPONSE).empty
    contacts = pd.DataFrame(columns=CONTACT_COLUMNS)
    assert without_decided(home, contacts) is contacts
