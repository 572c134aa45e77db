"""A month through the API, in many ways: customers come one after the other, and one budget is for all.

A simulated bank plans its month within limits that bind: shares of what the champion would use without, or
25 of money. Offers are worth what their priors say, as before contacts are learned from. Then its customers
ask for offers, evenly over the plan's thirty days, a tenth of the questions over HTTP, the others by the
function behind it. Features stay as the plan saw them, as if they were built anew every day. Limits bind
all arms and exploration; value is that of the champion's customers who do not explore, of each the first
contact alone. It stands beside that of the best plan for the same customers, had it known who comes. With
fixed prices the plan's stand all month; limits close options then too.

`make bench-replay SIZE=small|full`
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from starlette.testclient import TestClient

from benchmarks.replay_bank import (
    BUDGET,
    HOURS,
    SALT,
    best_of,
    everybody,
    limit,
    make_bank,
    only_planned,
    plan_month,
)
from benchmarks.table import write_table
from features.home import Home
from features.online import OnlineReader, OnlineRows
from features.settings import quiet_environment
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.champions import load_scorer
from serving.deciding.adviser import LIVE, adviser_of
from serving.deciding.decide import draw
from serving.deciding.pacing import DAYS
from serving.deciding.prices import PlanPrices
from serving.lists.limits import use_of
from serving.live import Live
from serving.log.decisions import read_decisions

CUSTOMERS = {"small": 5_000, "full": 30_000}
AT_ONCE = 25
SEED = 3

Order = Literal["at random", "best first", "worst first"]


@dataclass(frozen=True)
class Month:
    """Who asks, and in which order.

    come
        The share of customers who ask at all, in (0, 1].
    again
        The share of those who ask a second time, at another place in the order; in [0, 1].
    order
        Best first: by falling value of what the plan has for them, nothing last.
    """

    come: float = 1.0
    again: float = 0.0
    order: Order = "at random"

    def __str__(self) -> str:
        asked = "everybody once" if self.come == 1.0 else f"{self.come:.0%} once"
        again = f", {self.again:.0%} again" if self.again else ""
        return f"{asked}{again}, {self.order}"

    def questions(self, home: Home, plan: PlanPrices) -> list[str]:
        """Customers in the order in which they ask."""
        rng = np.random.default_rng(SEED)
        ids = [str(i) for i in rng.permutation(everybody(home))]
        ids = ids[: round(self.come * len(ids))]
        ids += ids[: round(self.again * len(ids))]
        ids = [ids[place] for place in rng.permutation(len(ids))]
        if self.order == "at random":
            return ids
        made = read_decisions(home.decisions_db, plan.plan_id)
        worth = {d.customer_id: d.expected_value for d in made if d.action}
        sign = -1.0 if self.order == "best first" else 1.0
        return sorted(ids, key=lambda who: sign * worth.get(who, 0.0))


class Outcome(NamedTuple):
    """One month: what was used by row, by all, and the value of whom the champion plans for."""

    used: dict[str, float]
    value: float


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


def replay(
    home: Home, plan: PlanPrices, ids: Sequence[str], *, paced: bool = True, at_once: int = AT_ONCE
) -> Outcome:
    """Ask for customers in this order, and count from the log; live decisions of before are forgotten."""
    only_planned(home)
    scorer, reader = load_scorer(home), Fresh(home)
    clock = Clock(reader.as_of)
    adviser = adviser_of(Live(scorer, reader, clock if paced else None), home, SALT)
    client = TestClient(create_app(Desk(lambda: adviser, deadline=3600.0), clock))
    for start in range(0, len(ids), at_once):
        some = list(ids[start : start + at_once])
        clock.now = reader.as_of + timedelta(days=DAYS * start / len(ids))
        if start // at_once % 10 == 0:
            body = {"customer_ids": some}
            client.post("/v1/offers", json=body).raise_for_status()
        else:
            adviser.answer(some, name=f"replay-{start}")
    made = [d for d in read_decisions(home.decisions_db, LIVE) if d.action]
    counts = np.zeros(len(plan.options))
    for _, action in {(d.customer_id, d.action) for d in made}:
        counts[plan.options.index(action)] += 1
    first = {d.customer_id: d for d in reversed(made)}
    lot = draw(list(first), adviser.policy, salt=SALT, occasion=made[0].as_of)
    values = [d.expected_value for d in first.values()]
    used = {row: float(counts @ usage) for row, usage in plan.usage.items()}
    return Outcome(used, float(np.dot(values, lot.planned)))


def best_month(home: Home, ids: Sequence[str]) -> Outcome:
    """The same of a plan for these customers, had it known who comes."""
    best = best_of(home, frozenset(ids))
    used = {row.name: best.plan.usage[row.name] + use_of(row, best.experiment) for row in best.limits}
    return Outcome(used, best.plan.value)


def dearest(plan: PlanPrices, row: str) -> float:
    """What the contact of the plan that uses most of a row uses of it."""
    made = np.asarray(plan.contacts) > 0
    return float(np.asarray(plan.usage[row])[made].max())


def situations(home: Home) -> Iterator[tuple[str, str, PlanPrices, tuple[Month, ...]]]:
    """What is scarce, the row that it is, a plan with that, and the months to live through."""
    random, best, worst = Month(), Month(order="best first"), Month(order="worst first")
    few = Month(come=0.8)
    others = (few, Month(come=0.8, order="worst first"), Month(again=0.2))
    yield "money", BUDGET, plan_month(home, money=0.4), (random, best, worst, *others)
    yield "less money", BUDGET, limit(home, 25.0), (random, worst)
    yield "more money", BUDGET, plan_month(home, money=0.8), (random,)
    hours = plan_month(home, hours=0.4)
    yield "phone hours", HOURS, hours, (random, worst, few)
    both = limit(home, 0.8 * hours.spent[BUDGET], hours.limits[HOURS])
    yield "money, and phone hours", BUDGET, both, (random, worst)


def measure(home: Home, size: str) -> None:
    """Live through every month with fixed prices and paced ones, and write the table."""
    rows = []
    for scarce, row, plan, months in situations(home):
        most = plan.limits[row]
        for month in months:
            ids = month.questions(home, plan)
            best = best_month(home, ids)
            cells = [
                *(scarce, f"{most:,.2f}", f"{dearest(plan, row) / most:.1%}"),
                *(str(month), f"{best.used[row] / most:.1%}"),
            ]
            for paced in (False, True):
                found = replay(home, plan, ids, paced=paced)
                cells += [f"{found.used[row] / most:.1%}", f"{found.value / best.value:.1%}"]
            rows.append(cells)
            print(*cells, sep=" | ", flush=True)
    head = (
        *("scarce", "limit", "one contact is up to", "who asks", "the best plan uses"),
        *("fixed prices use", "and earn of the best plan", "paced prices use", "and earn of it"),
    )
    currency = load_scorer(home).catalogue.currency
    note = (
        f"{CUSTOMERS[size]:,} simulated customers; money in {currency}. The best plan is for those who "
        f"ask, had it known them. {AT_ONCE} customers a question, a tenth of these over HTTP."
    )
    write_table("replay", size, head, rows, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=CUSTOMERS, default="small")
    size = parser.parse_args().size
    quiet_environment()
    folder = Path(tempfile.mkdtemp())
    try:
        measure(make_bank(folder / "bank", CUSTOMERS[size]), size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
