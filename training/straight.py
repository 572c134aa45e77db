"""A sparse linear model of few rows, answered by trees like every other.

What grows with the customer, such as the margin of a loan with the income, a few hundred takers tell by a
straight line far better than by steps; the largest customers, of whom there are fewest, most of all. The
line is an elastic net's (lasso; Tibshirani 1996), its penalty chosen on folds of customers. Trees then
learn the line from all rows, so that serving knows one kind of model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LassoCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.artifact import Matrix
from training.contract import Feature

__all__ = ["straight"]

_FOLDS = 5
_CLOSELY: Mapping[str, Any] = {
    "num_leaves": 15,
    "num_iterations": 100,
    "learning_rate": 0.15,
    "min_data_in_leaf": 10,
    "lambda_l2": 0.0,
    "extra_trees": False,
    "feature_fraction": 1.0,
    "bagging_fraction": 1.0,
}
"""How trees learn what has no noise."""


def straight(
    data: lightgbm.Dataset,
    columns: Matrix,
    features: Sequence[Feature],
    target: Matrix,
    customers: NDArray[Any],
    params: Mapping[str, Any],
) -> lightgbm.Booster | None:
    """Trees that answer the line; None where the rows tell no slope, or are of too few customers.

    Parameters
    ----------
    data, columns
        All rows as bins and as numbers (n, features); those without a target help to tell the line.
    target
        (n,), NaN where it is not known.
    customers
        (n,), whose rows are never parted by folds.
    """
    known = np.isfinite(target)
    if len(np.unique(customers[known])) < _FOLDS:
        return None
    numbers = np.array([feature.levels is None for feature in features])
    numbers &= np.isfinite(columns[known]).any(axis=0)
    learned = columns[known][:, numbers]
    folds = list(GroupKFold(_FOLDS).split(learned, groups=customers[known]))
    line = make_pipeline(SimpleImputer(), StandardScaler(), LassoCV(alphas=30, cv=folds, max_iter=5_000))
    line.fit(learned, target[known])
    if not line[-1].coef_.any():
        return None
    # Beyond what takers showed the line is not followed.
    held = np.clip(columns[:, numbers], np.nanmin(learned, axis=0), np.nanmax(learned, axis=0))
    return lightgbm.train({**params, **_CLOSELY}, data.set_label(line.predict(held)))
