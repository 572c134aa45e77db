"""What another policy would have earned, from a log in which every action's probability was kept.

Inverse propensity scoring (IPS), its self-normalised form (SNIPS; Swaminathan, Joachims 2015) and the
doubly robust estimator (DR; Dudík, Langford, Li 2011). Each answers only for what the log tried: how much
of it that is, says the effective sample size, and in words `OffPolicy.cautions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError, RefusedError, first_five
from training.estimate import Estimate, by_influence

__all__ = [
    "LoggedActions",
    "OffPolicy",
    "Overlap",
    "doubly_robust",
    "ips",
    "logged_actions",
    "overlap",
    "snips",
]

_Array = NDArray[np.float64]

_FEW = 100
"""Below this effective sample size a normal interval is not to be trusted."""
_SHARE = 0.01
"""A row with more than this share of all weight decides the estimate by itself."""
_Z_OFF = 4.0


@dataclass(frozen=True)
class LoggedActions:
    """Decisions that were taken, of shape (n,) each; from `logged_actions`, which checks them.

    reward
        What followed, in any unit.
    logged
        Probability with which the logging policy took the action that it took, in (0, 1].
    target
        Probability with which the target policy would have taken that same action, in [0, 1].
    clusters
        Customer of each row, whose rows are not independent; None: each row by itself.
    """

    reward: _Array
    logged: _Array
    target: _Array
    clusters: NDArray[Any] | None = None

    @property
    def weight(self) -> _Array:
        """How much each row counts for the target policy."""
        return self.target / self.logged


@dataclass(frozen=True)
class Overlap:
    """How far the log tells of the target policy.

    effective_rows
        Kish's effective sample size, (sum w)^2 / sum w^2: so many rows of the target policy itself
        would say as much.
    used
        Share of the rows whose action the target policy could have taken.
    largest_share
        Share of all weight that the heaviest row has.
    mean_weight
        About 1 where the log tried everything that the target would do and the probabilities are right.
    """

    rows: int
    effective_rows: float
    used: float
    largest_share: float
    mean_weight: Estimate


@dataclass(frozen=True)
class OffPolicy:
    """An estimate of the target policy's mean reward a decision.

    cautions
        Why it should not be trusted, in words; empty where nothing speaks against it.
    """

    method: str
    value: Estimate
    overlap: Overlap
    cautions: tuple[str, ...]


def logged_actions(
    ids: Sequence[object] | NDArray[Any],
    reward: _Array,
    logged: _Array,
    target: _Array,
    clusters: NDArray[Any] | None = None,
) -> LoggedActions:
    """Check a log; `ids` are of the decisions, shape (n,), and named in errors alone.

    Raises
    ------
    InputError
        If lengths differ, a reward is not finite, a logged probability is missing, zero or above 1,
        or a target probability is missing, negative or above 1.
    RefusedError
        If there is no row, or the target policy would have taken none of the logged actions.
    """
    lengths = {len(ids), len(reward), len(logged), len(target)}
    if len(lengths | ({len(clusters)} if clusters is not None else set())) > 1:
        raise InputError("off-policy: ids, reward, probabilities and clusters differ in length")
    for what, good in (
        ("reward is missing or infinite", np.isfinite(reward)),
        ("logged probability is missing, zero or above 1", (logged > 0) & (logged <= 1)),
        ("target probability is missing, negative or above 1", (target >= 0) & (target <= 1)),
    ):
        if not good.all():
            wrong = [str(i) for i, fine in zip(ids, good, strict=True) if not fine]
            raise InputError(
                f"off-policy: {what}: {first_five(wrong)}; cure: log the probability of every action "
                "taken, and leave out decisions that were not left to chance"
            )
    if not target.any():
        raise RefusedError(
            f"off-policy: none of {len(target)} logged actions is one that the policy would take; "
            "cure: explore what it would do, or compare another policy"
        )
    return LoggedActions(reward, logged, target, clusters)


def overlap(log: LoggedActions) -> Overlap:
    """How far the log tells of the target policy."""
    weight = log.weight
    total, mean = float(weight.sum()), float(weight.mean())
    return Overlap(
        rows=len(weight),
        effective_rows=total**2 / float(np.sum(weight**2)),
        used=float(np.mean(weight > 0)),
        largest_share=float(weight.max()) / total,
        mean_weight=by_influence(mean, weight - mean, log.clusters),
    )


def ips(log: LoggedActions) -> OffPolicy:
    """Mean of weight x reward: unbiased, and the widest."""
    terms = log.weight * log.reward
    return _result("IPS", log, terms, np.ones(len(terms)))


def snips(log: LoggedActions) -> OffPolicy:
    """Mean reward weighted by the weights: hardly biased, steadier, and the same if rewards are shifted."""
    return _result("SNIPS", log, log.weight * log.reward, log.weight)


def doubly_robust(log: LoggedActions, expected_logged: _Array, expected_target: _Array) -> OffPolicy:
    """A direct model's answer, corrected by what it misses: right if model or probabilities are right.

    Parameters
    ----------
    expected_logged
        The model's reward for the action that was taken, shape (n,).
    expected_target
        Its reward under the target policy, the mean over all actions by their target probabilities,
        shape (n,). The model must not have learned from the rows themselves (fit it on other folds).

    Raises
    ------
    InputError
        If lengths differ, or an expected reward is not finite.
    """
    if not len(log.reward) == len(expected_logged) == len(expected_target):
        raise InputError("off-policy: expected rewards and log differ in length")
    if not (np.isfinite(expected_logged).all() and np.isfinite(expected_target).all()):
        raise InputError("off-policy: an expected reward is missing; cure: the model must answer every row")
    terms = expected_target + log.weight * (log.reward - expected_logged)
    return _result("DR", log, terms, np.ones(len(terms)))


def _result(method: str, log: LoggedActions, terms: _Array, base: _Array) -> OffPolicy:
    """The ratio mean(terms) / mean(base), its interval by the ratio's influence function."""
    scale = float(base.mean())
    point = float(terms.mean()) / scale
    value = by_influence(point, (terms - point * base) / scale, log.clusters)
    found = overlap(log)
    return OffPolicy(method, value, found, _cautions(found))


def _cautions(found: Overlap) -> tuple[str, ...]:
    said = []
    if found.effective_rows < _FEW:
        said.append(
            f"{found.rows:,} decisions tell as much as {found.effective_rows:.0f} of the policy itself "
            "would: too few for the interval to be trusted"
        )
    if found.largest_share > _SHARE:
        said.append(f"one decision has {found.largest_share:.0%} of all weight")
    mean = found.mean_weight
    if mean.error > 0 and abs(mean.point - 1) > _Z_OFF * mean.error:
        said.append(
            f"weights are {mean.point:.2f} on average, not 1: the log never tried part of what the policy "
            "would do, or its probabilities are wrong"
        )
    return tuple(said)
