"""A bank that lives on under a policy: features, scores, rules, decision, contacts, history, in turn."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.policy_bank import Earned, Ints, earned, month_of
from benchmarks.policy_players import PLAYERS, Limits, Situation
from features.errors import RefusedError
from features.history.end import day_after_history
from features.history.load import import_folder
from features.home import Home
from features.selling.offers import Option
from features.settings import Settings
from features.simulate import advance
from features.snapshots import read_snapshot
from features.store import build
from features.vocabulary import CUSTOMER_ID
from serving.champions import load_scorer
from serving.cli.models import NAMES, OPTIONAL
from serving.columns import from_frame
from serving.deciding.effects import effects_of
from serving.deciding.worth import prior_effects
from serving.policy import allowed, shipped_policy
from serving.scoring import Scorer

__all__ = ["HISTORY", "HOURS", "MONEY", "found", "live", "look"]

HISTORY = 36
MONEY, HOURS = 0.06, {"call": 0.001, "branch": 0.001}
"""Budget and hours of work a month for each customer."""


def found(home: Path, customers: int, seed: int) -> None:
    """A simulated bank with its champions; stated priors stand where its data are too few for one."""
    _tenure(f"simulate --customers {customers} --months {HISTORY} --seed {seed} --truth-months 1", home)
    _tenure("features build --months 30 --every 3", home)
    for model in NAMES:
        _tenure(f"train {model}", home)
    # What contacts change is learned from every month's contacts.
    _tenure("features build --months 30 --every 1", home)
    for model in OPTIONAL:
        _tenure(f"train {model}", home, may_be_refused=True)
    _tenure("models promote all", home)


def _tenure(verb: str, home: Path, *, may_be_refused: bool = False) -> None:
    command = [str(Path(sys.executable).with_name("tenure")), *verb.split(), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not (may_be_refused and done.returncode == RefusedError.exit_code):
        raise SystemExit(f"tenure {verb}: {done.stderr[-500:]}")


def live(start: Path, home: Path, player: str, months: int, seed: int, settings: Settings) -> list[Earned]:
    """Let a copy of the bank live under a policy; what each month truly earned."""
    shutil.copytree(start, home, copy_function=_linked)
    settings, scorer = replace(settings, home=home), load_scorer(Home(home))
    lived = []
    for number in range(months):
        if number:
            build(Home(home), day_after_history(Home(home)), 0, settings, _silent, accept=True)
        now, ids = look(Home(home), scorer, months - number, seed + number)
        action = PLAYERS[player](now)
        lived.append(earned(now.truth, action, scorer.catalogue.options))
        if number + 1 < months:
            _pass(Home(home), _contacts(ids, action, scorer.catalogue.options), settings)
    shutil.rmtree(home)
    return lived


def look(home: Home, scorer: Scorer, left: int, seed: int) -> tuple[Situation, list[str]]:
    """What is known of the current snapshot's customers, and their ids."""
    catalogue, frame = scorer.catalogue, read_snapshot(home, day_after_history(home))
    columns = from_frame(frame)
    ids, scored = columns[CUSTOMER_ID], scorer.score(columns)
    scores = scored.values
    policy = shipped_policy(catalogue)
    seen = columns | {name: scores[name] for name in ("churn", "value_expected")}
    now = Situation(
        columns=seen,
        allowed=allowed(seen, catalogue, policy).allowed,
        learned=effects_of(scorer, scored.table),
        stated=prior_effects(scores, catalogue, len(ids)),
        truth=month_of(home, ids, catalogue.options),
        catalogue=catalogue,
        policy=policy,
        limits=Limits(MONEY * len(ids), {channel: most * len(ids) for channel, most in HOURS.items()}),
        left=left,
        seed=seed,
    )
    return now, ids


def _contacts(ids: list[str], action: Ints, options: tuple[Option, ...]) -> pd.DataFrame:
    """As the simulator takes them; who is left alone is spared the bank's own campaigns as well."""
    chosen = [options[place] for place in np.maximum(action, 0).tolist()]
    return pd.DataFrame(
        {
            "decision_id": ids,
            "customer_id": ids,
            "product": [option.product for option in chosen],
            "channel": [option.channel for option in chosen],
            "offer": [option.offer if option.kind == "retention" else "" for option in chosen],
            "contacted": action >= 0,
        }
    )


def _pass(home: Home, contacts: pd.DataFrame, settings: Settings) -> None:
    """One month goes by, and becomes history."""
    folder = home.path / "simulated" / "month"
    advance(folder, home.truth, contacts, months=1, tell=_silent)
    import_folder(
        folder,
        home,
        None,
        append=True,
        threads=settings.threads,
        memory=settings.memory,
        tell=_silent,
        max_quarantined=settings.max_quarantined,
        accept_warnings=True,
    )
    shutil.rmtree(folder)


def _linked(source: str, target: str) -> None:
    """Tables are replaced whole, never written into: they need no copy. Databases do."""
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _silent(_: str) -> None:
    """Say nothing."""
