"""A month through the API: customers come one after the other, in random order, and one budget is for all.

A simulated bank plans its month with two fifths of the money and of the phone hours that it would use
without limits. Then its customers ask for offers, evenly over the plan's thirty days, a tenth of the
questions over HTTP, the others by the function behind it. Features stay as the plan saw them, as if they
were built anew every day. Limits bind all arms and exploration; value is that of the champion's customers
who do not explore, beside the best plan for those of them who come. Fewer may come than were planned for;
with fixed prices the plan's stand all month.

`make bench-replay SIZE=small|full`
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from click.testing import CliRunner
from starlette.testclient import TestClient

from benchmarks.table import write_table
from features.home import Home
from features.online import OnlineReader, OnlineRows
from features.settings import Settings, quiet_environment
from features.snapshots import current_generation, read_snapshot
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.champions import load_scorer
from serving.deciding.adviser import LIVE, adviser_of
from serving.deciding.decide import draw
from serving.deciding.pacing import DAYS
from serving.deciding.prices import PlanPrices, read_prices
from serving.lists.allotment import allot, enter
from serving.lists.plan import make_plan
from serving.lists.sources import gather, parts
from serving.live import Live
from serving.log.decisions import read_decisions

CUSTOMERS = {"small": 5_000, "full": 30_000}
AT_ONCE = {"small": 10, "full": 25}
SHARE = 0.4
SEED = 3
SALT = "replay"
BUDGET, HOURS = "total budget", "call hours"


class Outcome(NamedTuple):
    """One month beside its plan: money and hours of all, value of those whom the champion plans for.

    best
        Value of a plan for the same customers, had it known who comes.
    """

    asked: int
    spent: float
    hours: float
    value: float
    plan: PlanPrices
    best: float

    def shares(self) -> tuple[float, float, float]:
        """Money and hours of what there was (none of none), and value of the best plan's."""
        limits = self.plan.limits
        hours = self.hours / limits[HOURS] if limits[HOURS] else float(self.hours > 0)
        return self.spent / limits[BUDGET], hours, self.value / self.best


class Fresh(OnlineReader):
    """Features that do not age."""

    def read(self, customer_ids: Sequence[str], now: datetime | None = None) -> OnlineRows:
        return super().read(customer_ids, now and self.as_of)


class Clock:
    """The present, moved by hand."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def limit(home: Home, money: float, hours: float) -> PlanPrices:
    """Plan the month within limits, and make its prices the ones that answers go by."""
    forget(home)
    text = files("serving").joinpath("policy.toml").read_text()
    limits = f"budgets = {{ total = {money!r} }}\nhours = {{ call = {hours!r} }}\n"
    home.policy.write_text(text.replace("[plan]\n", f"[plan]\n{limits}"))
    settings = Settings(home=home.path, threads=1, memory="2GB", salt=SALT, sample_data=None)
    said: dict[str, Any] = {"purpose": "replay", "pulled_by": "benchmark", "now": OnlineReader(home).as_of}
    make_plan(home, None, budgets={}, fair=None, settings=settings, tell=lambda _: None, **said)
    return read_prices(home)


def forget(home: Home) -> None:
    """Start the log of decisions anew: what the month until now used would count."""
    (home.path / "decisions.db").unlink(missing_ok=True)


def plan_month(home: Home, share: float = SHARE) -> PlanPrices:
    """A plan with a share of what one without limits uses."""
    free = limit(home, 1e9, 1e9)
    return limit(home, share * free.spent[BUDGET], share * free.spent[HOURS])


def replay(
    home: Home, plan: PlanPrices, *, come: float = 1.0, paced: bool = True, at_once: int = 10
) -> Outcome:
    """Ask for everybody who comes, once, and count from the log; live decisions of before are forgotten."""
    forget(home)
    scorer, reader = load_scorer(home), Fresh(home)
    clock = Clock(reader.as_of)
    adviser = adviser_of(Live(scorer, reader, clock if paced else None), home, SALT)
    client = TestClient(create_app(Desk(lambda: adviser, deadline=60.0), clock))
    rng = np.random.default_rng(SEED)
    ids = [str(i) for i in rng.permutation(everybody(home))]
    ids = ids[: round(come * len(ids))]
    for start in range(0, len(ids), at_once):
        some = ids[start : start + at_once]
        clock.now = reader.as_of + timedelta(days=DAYS * start / len(ids))
        if start // at_once % 10 == 0:
            body = {"customer_ids": some}
            client.post("/v1/offers", json=body).raise_for_status()
        else:
            adviser.answer(some, name=f"replay-{start}")
    made = [d for d in read_decisions(home.decisions_db, LIVE) if d.action]
    used = np.bincount([plan.options.index(d.action) for d in made], minlength=len(plan.options))
    spent, hours = (float(np.dot(plan.usage[row], used)) for row in (BUDGET, HOURS))
    lot = draw([d.customer_id for d in made], adviser.policy, salt=SALT, occasion=made[0].as_of)
    value = sum(d.expected_value for d, planned in zip(made, lot.planned, strict=True) if planned)
    return Outcome(len(ids), spent, hours, value, plan, best_of(home, frozenset(ids)))


def best_of(home: Home, ids: frozenset[str]) -> float:
    """What a plan for those who came is worth, had it known who comes."""
    sources = gather(home)
    book, came = enter(sources, SALT, None), list[bool]()
    for part in parts(sources):
        planned = draw(part.ids, sources.policy, salt=SALT, occasion=sources.as_of).planned
        came += [who in ids for who, counts in zip(part.ids, planned, strict=True) if counts]
    few = replace(book, values=book.values[came], groups=book.groups[came])
    return allot(few, sources.policy.plan, sources.catalogue, None).plan.value


def everybody(home: Home) -> list[str]:
    """All customers of the current generation."""
    return [str(i) for i in read_snapshot(home, current_generation(home).as_of)["customer_id"]]


def bank(path: Path, customers: int) -> Home:
    """A simulated bank whose customers are scored and online."""
    from serving.cli.main import main

    for verb in (
        f"simulate --customers {customers} --months 36 --seed 11",
        "features build --months 30 --every 3",
        "features materialize",
        "train all",
        "models promote all",
        "score --all",
    ):
        done = CliRunner().invoke(main, [*verb.split(), "--home", str(path), "--json"])
        if done.exit_code:
            raise SystemExit(done.stderr or done.output)
        print(verb, json.loads(done.stdout) and "done")
    return Home(path)


def measure(home: Home, size: str) -> None:
    """Plan the month, replay it four times, and write the table."""
    plan, rows = plan_month(home), []
    for come in (1.0, 0.8):
        for paced in (True, False):
            found = replay(home, plan, come=come, paced=paced, at_once=AT_ONCE[size])
            name = f"{come:.0%} come, {'paced' if paced else 'fixed'} prices"
            shares = [f"{share:.1%}" for share in found.shares()]
            rows.append([name, f"{found.asked:,}", f"{found.spent:,.2f}", f"{found.value:,.0f}", *shares])
    head = (
        "month",
        "asked",
        "spent",
        "value",
        "of the budget",
        "of the phone hours",
        "of the best plan's value",
    )
    note = (
        f"{CUSTOMERS[size]:,} simulated customers; a budget of {plan.limits[BUDGET]:,.2f} and "
        f"{plan.limits[HOURS]:,.1f} phone hours, of which the plan uses {plan.spent[BUDGET]:,.2f} and "
        f"{plan.spent[HOURS]:,.1f}; it earns {plan.value:,.0f} {load_scorer(home).catalogue.currency}, "
        f"certified gap {plan.gap:.3%}. {AT_ONCE[size]} customers a question, a tenth over HTTP."
    )
    write_table("replay", size, head, rows, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=CUSTOMERS, default="small")
    size = parser.parse_args().size
    quiet_environment()
    folder = Path(tempfile.mkdtemp())
    try:
        measure(bank(folder / "bank", CUSTOMERS[size]), size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
