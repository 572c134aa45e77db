"""Training that is killed at any step leaves no half version, and running it again makes one whole one."""

import signal
import subprocess
import sys

import pytest

from features.home import Home
from tests.training.examples import CURRENCY, quick
from training.datasets import TrainingSet
from training.pipeline import train_on
from training.registry import Registry
from training.specs import CHURN
from training.versions.bundle import open_bundle, pending_folder

TRAINS = """
import sys
from pathlib import Path
from features.home import Home
from tests.training.examples import CURRENCY, make_set, quick
from training.pipeline import train_on
from training.specs import CHURN

def tell(line):
    print(line, flush=True)
    if line == sys.argv[2]:
        sys.stdin.read()  # until killed: the parent never closes it

train_on(
    Home(Path(sys.argv[1])), quick(CHURN), make_set(CHURN), currency=CURRENCY, threads=1, seed=7, tell=tell
)
"""
STEPS = {
    "fitting": "churn: fitting 'churn'",
    "logging": "churn: logging the finished model",
    "registered": "churn: registered version 1 as challenger",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_leaves_no_half_version_and_the_same_command_makes_a_whole_one(
    home: Home, churn_set: TrainingSet, step: str
) -> None:
    words = [sys.executable, "-W", "ignore", "-c", TRAINS, str(home.path), STEPS[step]]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = []
    for line in child.stdout:
        told.append(line.strip())
        if told[-1] == STEPS[step]:
            child.kill()
    assert child.wait() == -signal.SIGKILL, told

    found = Registry(home).versions("churn")
    assert len(found) == (1 if step == "registered" else 0)
    waiting = list(pending_folder(home).iterdir()) if pending_folder(home).exists() else []
    assert [open_bundle(folder).facts["name"] for folder in waiting] == ["churn"] * (step == "logging")

    means = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": lambda _: None}
    again = train_on(home, quick(CHURN), churn_set, **means)
    assert again.version.version == 1
    assert [v.aliases for v in Registry(home).versions("churn")] == [("challenger",)]
    assert Registry(home).load(again.version).name == "churn"
    assert list(pending_folder(home).iterdir()) == []
    assert [p.name for p in home.path.rglob("*.part")] == []
