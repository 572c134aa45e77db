"""Rows that cannot be learned from, told to `tenure train` and to `tenure train --table` alike.

Each is refused with what, where and the cure, and nothing is registered, kept or written. Finer points
of a table are in `test_table`.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from features.catalogue import shipped_catalogue
from features.errors import InputError, RefusedError, TenureError
from features.families.base import Field
from features.generations import Generation, serve, write_generation
from features.home import Home
from serving.cli.main import main
from tests.training.examples import CURRENCY, quick
from training.datasets import TrainingSet
from training.pipeline import TrainResult, train_on
from training.registry import Registry
from training.specs import CHURN
from training.versions.bundle import pending_folder
from training.versions.recipe import Origin

Spoil = Callable[[pd.DataFrame], pd.DataFrame]

FIRST_FIVE = "C000000, C000001, C000002, C000003, C000004"


def _first(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """The first seven rows, one snapshot's, with another value in a column."""
    return frame.assign(**{column: frame[column].where(frame.index > 6, value)})


BAD: dict[str, tuple[Spoil, str, str]] = {
    "a label that is missing": (
        lambda f: _first(f, "churn", np.nan),
        rf"the label is missing, customers {FIRST_FIVE} \(7 in all\)",
        rf"label 'churn' is empty for ids {FIRST_FIVE} \(7 in all\)",
    ),
    "no label at all": (lambda f: f.assign(churn=np.nan), "the label is missing", "is empty for ids"),
    "nobody left": (
        lambda f: f.assign(churn=0.0),
        "0 positives in the training rows, 30 needed",
        "shows one outcome only",
    ),
    "everybody left": (
        lambda f: f.assign(churn=1.0),
        "held-out customers show one outcome only",
        "shows one outcome only",
    ),
    "too few left": (
        lambda f: f.assign(churn=(f["customer_id"] < "C000010") * 1.0),
        "positives in the training rows, 30 needed",
        "positives in the test rows, 30 needed",
    ),
    "a label between 0 and 1": (
        lambda f: _first(f, "churn", 0.5),
        f"label 'churn' is neither 0 nor 1, customers {FIRST_FIVE}",
        f"label 'churn' is neither 0 nor 1 for ids {FIRST_FIVE}",
    ),
    "an infinite label": (
        lambda f: _first(f, "churn", np.inf),
        "infinite values in 'churn'",
        "label 'churn' is neither 0 nor 1 for ids",
    ),
    "an infinite value": (
        lambda f: _first(f, "balance", np.inf),
        f"infinite values in 'balance', customers {FIRST_FIVE}",
        f"'balance' is infinite for ids {FIRST_FIVE}",
    ),
    "minus infinity": (
        lambda f: _first(f, "balance", -np.inf),
        "infinite values in 'balance'",
        "'balance' is infinite for ids",
    ),
    "constant columns alone": (
        lambda f: f.assign(balance=1.0, sessions=2.0, noise=3.0, region="north", age_years=40.0),
        "no feature ever changes: balance, sessions, noise, region, age_years",
        "no column that a model could learn from",
    ),
    "empty columns alone": (
        lambda f: f.assign(balance=np.nan, sessions=np.nan, noise=np.nan, region=None, age_years=np.nan),
        "no feature ever changes: balance",
        "no column that a model could learn from",
    ),
    "a key that is there twice": (
        lambda f: pd.concat([f, f.iloc[[3]]], ignore_index=True),
        "two rows of one snapshot, customers C000003",
        "two rows of one time: C000003",
    ),
    "a snapshot from the future": (
        lambda f: _first(f, "as_of", pd.Timestamp("2200-01-01", tz="UTC")),
        rf"snapshots later than [-\d]+, until when outcomes are known, customers {FIRST_FIVE}",
        rf"in the future, for ids {FIRST_FIVE}",
    ),
}


@pytest.fixture(scope="module")
def served(
    new_home: Callable[[], Home], churn_set: TrainingSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Home, Origin]:
    """A home whose present is the last snapshot, and what its examples were joined from."""
    home = new_home()
    last = churn_set.frame["as_of"].max().to_pydatetime()
    generation = Generation(f"{last:%Y-%m-%d}.1", last, (last,), ("",))
    folder = home.offline / generation.name
    folder.mkdir(parents=True)
    write_generation(folder, generation, {})
    serve(home, generation)
    home.catalogue.write_bytes(shipped_catalogue())
    return home, Origin(generation.name, shipped_catalogue().decode())


def _train(home: Home, examples: TrainingSet, tell: Callable[[str], None], **more: object) -> TrainResult:
    means = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": tell}
    return train_on(home, quick(CHURN), examples, **means, **more)


@pytest.mark.parametrize("what", BAD)
def test_training_on_the_banks_features_refuses_it_and_registers_nothing(
    what: str, served: tuple[Home, Origin], churn_set: TrainingSet
) -> None:
    spoil, reason, _ = BAD[what]
    (home, origin), told = served, []
    with pytest.raises(TenureError, match=reason) as refused:
        _train(home, replace(churn_set, frame=spoil(churn_set.frame)), told.append, origin=origin)
    assert isinstance(refused.value, InputError | RefusedError)
    assert "cure: " in str(refused.value)
    assert Registry(home).versions("churn") == ()
    assert not pending_folder(home).exists() and not home.reports.exists()


@pytest.mark.parametrize("what", BAD)
def test_training_on_a_finished_table_refuses_it_and_writes_nothing(
    what: str, churn_set: TrainingSet, tmp_path: Path
) -> None:
    spoil, _, reason = BAD[what]
    path, home = tmp_path / "table.parquet", tmp_path / "home"
    spoil(churn_set.frame).to_parquet(path, index=False)
    words = ("--id", "customer_id", "--time", "as_of", "--label", "churn", "--name", "leads")
    done = CliRunner().invoke(main, ["train", "--table", str(path), *words, "--home", str(home)])
    assert done.exit_code in (InputError.exit_code, RefusedError.exit_code), done.output
    assert re.search(reason, done.stderr), done.stderr
    assert "cure: " in done.stderr
    assert not (home / "artifacts").exists() and not (home / "reports").exists()


def test_one_column_that_never_changes_is_told_and_no_tree_can_use_it(
    home: Home, churn_set: TrainingSet
) -> None:
    told: list[str] = []
    idle = replace(
        churn_set,
        frame=churn_set.frame.assign(flat=3.0, void=np.nan),
        fields=(
            *churn_set.fields,
            *(Field(n, "float64", "ratio", n, n, null="null") for n in ("flat", "void")),
        ),
    )
    result = _train(home, idle, told.append)
    assert "churn: nothing to learn from what never changes: flat, void" in told
    (head,) = Registry(home).load(result.version).heads
    used = dict(zip(head.booster.feature_name(), head.booster.feature_importance("split"), strict=True))
    assert used["flat"] == used["void"] == 0 < used["balance"]
