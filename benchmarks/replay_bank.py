"""A simulated bank for replays: its month's plan within limits, and what is best for those who came."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
from click.testing import CliRunner

from features.home import Home
from features.online import OnlineReader
from features.settings import Settings
from features.snapshots import current_generation, read_snapshot
from serving.deciding.choice import NOTHING
from serving.deciding.decide import decide
from serving.deciding.prices import PlanPrices, read_prices
from serving.lists.allotment import Allotment, allot, enter
from serving.lists.plan import make_plan
from serving.lists.sources import gather, parts

__all__ = [
    "BUDGET",
    "HOURS",
    "SALT",
    "best_of",
    "everybody",
    "limit",
    "make_bank",
    "only_planned",
    "plan_month",
]

NAMES = ("churn", "value", "propensity")
BUDGET, HOURS = "total budget", "call hours"
SALT = "replay"
_UNLIMITED = 1e9


def make_bank(path: Path, customers: int) -> Home:
    """A simulated bank whose customers are scored and online; offers are worth what their priors say."""
    from serving.cli.main import main

    for verb in (
        f"simulate --customers {customers} --months 36 --seed 11",
        "features build --months 30 --every 3",
        "features materialize",
        *(f"train {name}" for name in NAMES),
        *(f"models promote {name}" for name in NAMES),
        "score --all",
    ):
        done = CliRunner().invoke(main, [*verb.split(), "--home", str(path), "--json"])
        if done.exit_code:
            raise SystemExit(done.stderr or done.output)
        print(verb, json.loads(done.stdout) and "done")
    return Home(path)


def limit(home: Home, money: float = _UNLIMITED, hours: float = _UNLIMITED) -> PlanPrices:
    """Plan the month within limits, in a log of its own, and make its prices those that answers go by."""
    _clear(home)
    text = files("serving").joinpath("policy.toml").read_text()
    limits = f"budgets = {{ total = {money!r} }}\nhours = {{ call = {hours!r} }}\n"
    home.policy.write_text(text.replace("[plan]\n", f"[plan]\n{limits}"))
    settings = Settings(home=home.path, threads=1, memory="2GB", salt=SALT, sample_data=None)
    said: dict[str, Any] = {"purpose": "replay", "pulled_by": "benchmark", "now": OnlineReader(home).as_of}
    make_plan(home, None, budgets={}, fair=None, settings=settings, tell=lambda _: None, **said)
    copyfile(home.path / "decisions.db", home.path / "planned.db")
    return read_prices(home)


def plan_month(home: Home, money: float | None = None, hours: float | None = None) -> PlanPrices:
    """A plan with shares of what the champion's one without limits uses; None for no limit."""
    limit(home)
    free = best_of(home, frozenset(everybody(home))).plan.usage

    def some(row: str, share: float | None) -> float:
        return _UNLIMITED if share is None else share * free[row]

    return limit(home, some(BUDGET, money), some(HOURS, hours))


def only_planned(home: Home) -> None:
    """Forget what was decided since the plan."""
    _clear(home)
    copyfile(home.path / "planned.db", home.path / "decisions.db")


def _clear(home: Home) -> None:
    for file in home.path.glob("decisions.db*"):
        file.unlink()


def best_of(home: Home, ids: frozenset[str]) -> Allotment:
    """A plan for those who came, had it known who comes."""
    sources = gather(home)
    said: dict[str, Any] = {"salt": SALT, "occasion": sources.as_of}
    book, came, tried = enter(sources, SALT, None), list[bool](), list[bool]()
    free = np.zeros(len(sources.catalogue.options))
    for part in parts(sources):
        nothing = np.full(len(part.ids), NOTHING)
        beside = decide(part.ids, part.weighed, free, sources.policy, planned=nothing, **said)
        comes = np.array([who in ids for who in part.ids])
        came += comes[beside.planned].tolist()
        tried += comes[beside.action != NOTHING].tolist()
    trials = replace(
        book.trials,
        options=book.trials.options[tried],
        groups=book.trials.groups[tried],
        draws=book.trials.draws[tried],
    )
    few = replace(book, values=book.values[came], groups=book.groups[came], trials=trials)
    return allot(few, sources.policy.plan, sources.catalogue, None)


def everybody(home: Home) -> list[str]:
    """All customers of the current generation."""
    return [str(i) for i in read_snapshot(home, current_generation(home).as_of)["customer_id"]]
