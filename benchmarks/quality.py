"""Models beside plain baselines on the Berka bank: 6-month horizon, last test snapshot, time split.

Each row is one outcome; every column sees the same rows, features and split. The recency rule
ranks by the one date that a marketer would take: for uptake the latest opening of a holding, for
attrition the silence since the last booking.

`make bench-quality SIZE=small|full`; TENURE_SAMPLE_DATA names the folder that holds `berka/`.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.table import write_table
from features.catalogue import load_catalogue
from features.history.berka import map_berka
from features.history.load import import_folder
from features.home import Home
from features.settings import Settings, quiet_environment, read_settings
from features.store import build
from training.datasets import TrainingSet, training_set
from training.fit import fit
from training.measures import auc, lift
from training.specs import CHURN, PROPENSITY, ModelSpec
from training.split import Split, out_of_time

END = datetime(1998, 1, 1, tzinfo=UTC)
MONTHS = {"small": 36, "full": 54}
SNAPSHOTS = {"small": 12, "full": 24}
SEED = 7
RECENCY = {"churn": ("days_since_booking", 1.0)}
UPTAKE_RECENCY = ("days_since_opening", -1.0)


def silent(_: str) -> None:
    """Say nothing."""


def prepare(folder: Path, source: Path, months: int, settings: Settings) -> Home:
    home = Home(folder)
    map_berka(source, folder / "raw", silent)
    catalogue = files("features.history").joinpath("berka.toml").read_bytes()
    options = {"append": False, "threads": settings.threads, "memory": settings.memory, "tell": silent}
    import_folder(folder / "raw", home, catalogue, **options)
    build(home, END, months, settings, silent)
    return home


def rows(home: Home, spec: ModelSpec, settings: Settings) -> Iterable[list[str]]:
    data = training_set(home, spec, settings, silent)
    split = out_of_time(data.frame, spec)
    currency = load_catalogue(home.catalogue).currency
    model = fit(
        spec, data, split, currency=currency, threads=settings.threads, seed=SEED, tell=silent
    ).model
    matrix = model.matrix(data.frame)
    scores = model.predict(matrix)
    # Co-owners book nothing of their own: as trivial negatives they would lift every figure.
    owner = data.frame["holdings_shared"].to_numpy() == 0
    for label in data.labels:
        actual = data.frame[label].to_numpy(dtype=float)
        test = split.test[np.isfinite(actual[split.test]) & owner[split.test]]
        if label in scores:
            ours = scores[label][test]
            logistic = logistic_scores(matrix, actual, split, test)
            column, sign = RECENCY.get(label, UPTAKE_RECENCY)
            recency = sign * data.frame[column].fillna(9_999).to_numpy(dtype=float)[test]
            yield line(spec, label, data, actual[test], (ours, logistic, recency))


def logistic_scores(matrix: np.ndarray, actual: np.ndarray, split: Split, test: np.ndarray) -> np.ndarray:
    """The baseline learns from the calibration customers too: it has nothing to calibrate."""
    learned = np.concatenate([split.train, split.calibrate])
    learned = learned[np.isfinite(actual[learned])]
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=300),
    )
    model.fit(matrix[learned], actual[learned])
    return model.predict_proba(matrix[test])[:, 1]


def line(
    spec: ModelSpec, label: str, data: TrainingSet, actual: np.ndarray, scores: tuple[np.ndarray, ...]
) -> list[str]:
    name = spec.definition.replace("_", " ") if label == "churn" else label.replace("_", " ")
    figures = [f"{auc(actual, s):.3f} / {lift(actual, s, 0.1):.1f}" for s in scores]
    moment = data.frame.as_of.max()
    return [name, f"{moment:%Y-%m-%d}", f"{len(actual):,}", f"{int(actual.sum())}", *figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(MONTHS), default="small")
    size = parser.parse_args().size
    quiet_environment()
    settings = read_settings()
    source = settings.sample_data and settings.sample_data / "berka"
    if not source or not source.is_dir():
        raise SystemExit("set TENURE_SAMPLE_DATA to the folder that holds berka/ to run this benchmark")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        print(f"importing {source} and building {MONTHS[size]} months of features; about a minute")
        home = prepare(Path(folder), source, MONTHS[size], settings)
        specs = [replace(s, snapshots=SNAPSHOTS[size], gap_days=0) for s in (PROPENSITY, CHURN)]
        table = [row for spec in specs for row in rows(home, spec, settings)]
    head = ["outcome", "test as_of", "rows", "positives", "Tenure", "logistic regression", "recency rule"]
    note = (
        f"Berka bank, account owners, 6-month horizon, {SNAPSHOTS[size]} training snapshots, "
        f"out of time; each cell is AUC / lift in the top decile. "
        f"{time.perf_counter() - start:.0f} s in all."
    )
    write_table("quality", size, head, table, note)


if __name__ == "__main__":
    main()
