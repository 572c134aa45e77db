"""A plan carried out in the simulated bank: its contacts reach the customers, and outcomes come back."""

from typing import Any

from features.home import Home
from serving.log.decisions import read_decisions


def test_the_simulated_bank_lives_on_after_a_plan(own_bank: tuple[Home, Any]) -> None:
    home, tenure = own_bank
    planned = tenure("lists", "plan", "--budget", "total=200")
    decisions = read_decisions(home.decisions_db, planned["plan_id"])
    contacts = [d for d in decisions if d.action]
    assert any(d.offer == "fee_waiver" for d in contacts)
    assert len(contacts) < len(decisions) == planned["considered"]
    happened = tenure("advance", "--list", planned["plan_id"], "--months", "1")
    assert happened["kinds"]["shown"] == len(contacts)
    again = tenure("lists", "plan", "--budget", "total=200")
    assert again["plan_id"] != planned["plan_id"]
    assert again["consent_withdrawn"] >= happened["kinds"].get("opted_out", 0)
