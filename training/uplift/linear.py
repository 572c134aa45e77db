"""A learner with few words: what a contact adds to the log-odds, as a sum over a handful of terms.

    logit P(outcome | contacted) = logit P(outcome | alone) + start + sum of coefficient x term

The terms are those that marketing knows to move answers (`ModelSpec.effect`, beside the offer's product
and channel): no term says how likely the customer is to take the product anyway, the model of those left
alone does. Coefficients come from the contacted alone, drawn to 0, the shift that is the same for
everybody: a normal prior whose width is the one under which the log is likeliest (empirical Bayes, by
Laplace's approximation; MacKay 1992). A log that tells nothing of differences gets the width 0.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from training.artifact import Matrix
from training.contract import Feature

__all__ = ["Linear", "Term", "fit_linear", "terms_of"]

_SEEN = 0.001
"""Shares at both ends beyond which a feature, and a shift, are held to what the contacted showed."""

_NARROW, _WIDE = -5.0, 1.0
"""Logarithms of the narrowest and of the widest prior that are tried."""

_FEWEST = 100
"""Contacts that a word needs to have a coefficient of its own; the others share the common shift."""

_STEPS, _CLOSE = 50, 1e-9


@dataclass(frozen=True)
class Term:
    """A number to one scale, held to [low, high]; or, with a level, 1 for that word and 0 for others.

    A missing number counts as the mean.
    """

    place: int
    level: int | None = None
    low: float = 0.0
    high: float = 0.0
    centre: float = 0.0
    scale: float = 1.0

    def of(self, matrix: Matrix) -> Matrix:
        """The term of each row of a matrix in contract order, (n,)."""
        values = matrix[:, self.place]
        if self.level is not None:
            hit: Matrix = (values == self.level).astype(np.float64)
            return hit
        scaled = (np.clip(values, self.low, self.high) - self.centre) / self.scale
        known: Matrix = np.where(np.isnan(scaled), 0.0, scaled)
        return known


@dataclass(frozen=True)
class Linear:
    """Terms with coefficients; shifts of the log-odds outside [low, high] were not seen in the log.

    width
        Standard deviation of the prior of the coefficients.
    """

    start: float
    terms: tuple[Term, ...]
    coefficients: tuple[float, ...]
    low: float
    high: float
    width: float

    def shift(self, matrix: Matrix) -> Matrix:
        """What a contact adds to the log-odds of each row, (n,)."""
        # Term by term: a product of matrices may add in another order for one row than for many.
        found = np.full(len(matrix), self.start)
        for term, coefficient in zip(self.terms, self.coefficients, strict=True):
            found += coefficient * term.of(matrix)
        held: Matrix = np.clip(found, self.low, self.high)
        return held

    def uplift(self, odds: Matrix, matrix: Matrix) -> Matrix:
        """What a contact adds to the probability of each row, given its log-odds if left alone; (n,)."""
        added: Matrix = expit(odds + self.shift(matrix)) - expit(odds)
        return added

    def told(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Linear":
        """From what `told` gave."""
        terms = tuple(Term(**term) for term in told["terms"])
        return cls(**{**told, "terms": terms, "coefficients": tuple(told["coefficients"])})


def terms_of(features: Sequence[Feature], effect: Collection[str], matrix: Matrix) -> tuple[Term, ...]:
    """The terms of a contract, scaled by the contacted rows (n, n_features); of `effect`, empty: all."""
    found = []
    for place, feature in enumerate(features):
        values = matrix[:, place]
        values = values[~np.isnan(values)]
        if (effect and feature.name not in effect) or not len(values):
            continue
        if feature.levels is not None:
            times = np.bincount(values.astype(np.int64), minlength=len(feature.levels))
            found += [Term(place, level) for level, n in enumerate(times) if n >= _FEWEST]
            continue
        low, high = np.quantile(values, (_SEEN, 1 - _SEEN), method="nearest")
        held = np.clip(values, low, high)
        if held.std() > 0:
            found.append(Term(place, None, *map(float, (low, high, held.mean(), held.std()))))
    return tuple(found)


def fit_linear(terms: Sequence[Term], matrix: Matrix, alone: Matrix, outcome: Matrix) -> Linear:
    """Learn from the contacted: rows (n, n_features), log-odds if left alone and outcomes, both (n,)."""
    design = np.column_stack([np.ones(len(matrix)), *(term.of(matrix) for term in terms)])
    wide = minimize_scalar(
        lambda log_width: -_fitted(design, alone, outcome, float(np.exp(log_width)))[1],
        bounds=(_NARROW, _WIDE),
        method="bounded",
        options={"xatol": 0.05},
    )
    width = float(np.exp(wide.x))
    beta, _ = _fitted(design, alone, outcome, width)
    low, high = np.quantile(design @ beta, (_SEEN, 1 - _SEEN))
    return Linear(float(beta[0]), tuple(terms), tuple(beta[1:].tolist()), float(low), float(high), width)


def _fitted(design: Matrix, alone: Matrix, outcome: Matrix, width: float) -> tuple[Matrix, float]:
    """Coefficients, the common shift first, and the logarithm of how likely the log is; Newton's method."""
    precision = np.full(design.shape[1], width**-2)
    precision[0] = _CLOSE
    beta: NDArray[np.float64] = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        # Not by BLAS, which adds in an order that depends on its threads: a run comes out the same again.
        p = expit(alone + np.einsum("ni,i->n", design, beta))
        curved = np.einsum("ni,nj->ij", design * (p * (1 - p))[:, None], design) + np.diag(precision)
        step = np.linalg.solve(curved, np.einsum("ni,n->i", design, outcome - p) - precision * beta)
        beta += np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    odds = alone + np.einsum("ni,i->n", design, beta)
    fits = float(np.sum(np.where(outcome > 0, log_expit(odds), log_expit(-odds))))
    prior = -0.5 * float(precision @ beta**2) + 0.5 * float(np.log(precision).sum())
    return beta, fits + prior - 0.5 * float(np.linalg.slogdet(curved)[1])
