"""Ways to answer one outcome: ours and the peers'; same rows, same split, same seconds.

Every way learns from the rows before the test and answers the test rows. Peers learn from the
calibration customers too: they have nothing to calibrate. All get words as categories.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.quality_bank import SEED, Array, Case, silent
from features.vocabulary import CUSTOMER_ID
from training.fit import fit
from training.tune import Budget, tune

FITS_BESIDE, LEAST = 3, 1.0
"""What tuning's budget keeps back, in fits: the folds' baseline, the trial under way, and the last fit.
What is left for the search is this many seconds at least."""

ESTIMATORS = ["lgbm", "xgboost", "xgb_limitdepth", "rf", "extra_tree", "lrl1"]

Way = Callable[[Case], Array]


def shipped(case: Case) -> Array:
    """Our `fit` with the parameters that the product ships."""
    options: dict[str, Any] = {"threads": case.threads, "seed": SEED, "tell": silent}
    model = fit(case.spec, case.data, case.split, currency=case.currency, **options).model
    matrix = model.matrix(case.data.frame.iloc[case.split.test])
    return model.predict(matrix)[case.data.labels[0]]


def tuned(case: Case) -> Array:
    """Our `fit` with what `tune` finds within the budget; it must know how long one fit takes."""
    options: dict[str, Any] = {"threads": case.threads, "seed": SEED, "tell": silent}
    budget = Budget(seconds=max(LEAST, case.seconds - FITS_BESIDE * case.one_fit))
    found = tune(case.spec, case.data, case.split, budget=budget, **options)
    return shipped(replace(case, spec=replace(case.spec, params=found.params)))


def flaml(case: Case) -> Array:
    """FLAML as its manual starts, but it validates on customers that it did not learn from."""
    table, rows, label = _learned(case)
    customers = pd.factorize(case.data.frame[CUSTOMER_ID].iloc[rows])[0]
    model = _automl()()
    model.fit(
        table.iloc[rows],
        label,
        task="classification",
        metric="roc_auc",
        time_budget=case.seconds,
        estimator_list=ESTIMATORS,
        eval_method="holdout",
        split_type="group",
        groups=customers,
        n_jobs=case.threads,
        seed=SEED,
        verbose=0,
    )
    return model.predict_proba(table.iloc[case.split.test])[:, 1]


def plain_lightgbm(case: Case) -> Array:
    """LightGBM's defaults."""
    return _answered(LGBMClassifier(n_jobs=case.threads, random_state=SEED, verbosity=-1), case)


def histogram(case: Case) -> Array:
    """Scikit-learn's histogram boosting, its defaults."""
    return _answered(HistGradientBoostingClassifier(random_state=SEED), case)


def logistic(case: Case) -> Array:
    """Logistic regression on filled, scaled numbers and one column for each word."""
    fill = SimpleImputer(strategy="median", add_indicator=True)
    columns = make_column_transformer(
        (make_pipeline(fill, StandardScaler()), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
    )
    return _answered(make_pipeline(columns, LogisticRegression(C=0.1, max_iter=300)), case)


WAYS: dict[str, Way] = {
    "Tenure, as shipped": shipped,
    "Tenure, tuned": tuned,
    "FLAML": flaml,
    "LightGBM": plain_lightgbm,
    "HistGradientBoosting": histogram,
    "logistic regression": logistic,
}
OURS = ("Tenure, as shipped", "Tenure, tuned")


def warm_up() -> None:
    """Import what loads slowly, so that nobody's budget pays for it."""
    import optuna  # noqa: F401

    _automl()


def answer(way: str, case: Case) -> tuple[Array, float]:
    """The probability of each test row, shape (n,), and the seconds that it took."""
    begun = perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probability = WAYS[way](case)
    return probability, perf_counter() - begun


def _answered(model: Any, case: Case) -> Array:
    table, rows, label = _learned(case)
    model.fit(table.iloc[rows], label)
    return model.predict_proba(table.iloc[case.split.test])[:, 1]


def _learned(case: Case) -> tuple[pd.DataFrame, Array, Array]:
    """The features of every row, the positions of the rows to learn from, and their outcomes.

    A feature that is empty in every row learned from tells nobody anything, and not every peer bears it.
    """
    fields = case.data.fields
    table = case.data.frame[[f.name for f in fields]]
    table = table.astype({f.name: "category" for f in fields if f.dtype == "string"})
    rows = np.sort(np.concatenate([case.split.train, case.split.calibrate]))
    rows = rows[np.isfinite(case.actual[rows])]
    table = table.loc[:, table.iloc[rows].notna().any()]
    return table, rows, case.actual[rows].astype(int)


def _automl() -> Any:
    with _no_spark():
        from flaml import AutoML
    logging.getLogger("flaml").setLevel(logging.ERROR)
    return AutoML


@contextlib.contextmanager
def _no_spark() -> Iterator[None]:
    """Keep FLAML from starting a Java machine at import, which it does where it finds pyspark."""
    there = "pyspark" in sys.modules
    if not there:
        sys.modules["pyspark"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not there:
            del sys.modules["pyspark"]
