"""A plan carried out in the simulated bank: its contacts reach the customers, and outcomes come back."""

from typing import Any

from click.testing import CliRunner

from features.errors import NotReadyError
from features.home import Home
from serving.cli.main import main
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
    # Outcomes of decisions on the old features would all be late: only new ones will do.
    old = CliRunner().invoke(main, ["lists", "plan", "--home", str(home.path)])
    assert old.exit_code == NotReadyError.exit_code and "tenure features build" in old.stderr
    tenure("features", "build", "--months", "30", "--every", "3")
    tenure("features", "materialize")
    tenure("score", "--all")
    again = tenure("lists", "plan", "--budget", "total=200")
    assert again["plan_id"] != planned["plan_id"] and again["as_of"] > planned["as_of"]
    assert again["contacted"] > 0
    # Whoever was contacted is left in peace for ninety days.
    later = read_decisions(home.decisions_db, again["plan_id"])
    assert not {d.customer_id for d in contacts} & {d.customer_id for d in later if d.action}
