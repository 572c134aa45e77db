"""What a retention campaign by a model's ranking would bring: profit curve and expected maximum profit.

Verbraken, Verbeke, Baesens (2013), A novel profit maximizing metric for measuring classification
performance of customer churn prediction models, IEEE TKDE 25(5). Whoever is approached costs a
contact; a customer who would leave takes the incentive with probability gamma and then stays; one
who would stay anyway takes it for sure. With each customer's own value instead of one for all:
Óskarsdóttir, Baesens, Vanthienen (2018), Profit-based model selection for customer retention, Big
Data 6(1).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc

from training.artifact import Matrix, Model

__all__ = [
    "Campaign",
    "MaximumProfit",
    "Terms",
    "campaign",
    "expected_gain",
    "maximum_profit",
    "total_value",
]


@dataclass(frozen=True)
class Terms:
    """What a campaign costs, and how likely an incentive keeps a customer who would leave.

    incentive, contact
        In the reporting currency: given to whoever accepts, and paid for whoever is approached.
    alpha, beta
        The Beta distribution of gamma, the chance to keep a customer; the defaults are the published ones.
    """

    incentive: float = 10.0
    contact: float = 1.0
    alpha: float = 6.0
    beta: float = 14.0

    @property
    def kept(self) -> float:
        """The mean chance to keep a customer who would leave."""
        return self.alpha / (self.alpha + self.beta)


@dataclass(frozen=True)
class Campaign:
    """What approaching the first k customers brings: gain gamma - cost, for each k; shapes (m,).

    Customers of one score come together, so m is at most n + 1; the first entry approaches nobody.
    """

    approached: Matrix
    gain: Matrix
    cost: Matrix

    def profit(self, kept: float) -> Matrix:
        """Profit of every k in the reporting currency, where incentives keep a share `kept`; shape (m,)."""
        return self.gain * kept - self.cost


@dataclass(frozen=True)
class MaximumProfit:
    """The best that a ranking can do, in expectation over gamma.

    profit
        A customer, in the reporting currency; never below 0, as one may approach nobody.
    share
        Of the customers approached then, in [0, 1].
    """

    profit: float
    share: float


def campaign(churned: Matrix, score: Matrix, value: Matrix, terms: Terms) -> Campaign:
    """Gains and costs of approaching customers in falling order of score.

    Parameters
    ----------
    churned, score, value
        Shape (n,): 1 who left, the score that ranks, and what each customer is worth if kept, in the
        reporting currency; a negative value is a gain of losing the customer.
    """
    order = np.argsort(-score, kind="stable")
    left = churned[order] > 0
    gain = np.where(left, value[order] - terms.incentive, 0.0)
    cost = terms.contact + np.where(left, 0.0, terms.incentive)
    last = np.append(np.diff(score[order]) != 0, True)
    approached = np.append(0.0, np.flatnonzero(last) + 1.0)
    return Campaign(
        approached, np.append(0.0, np.cumsum(gain)[last]), np.append(0.0, np.cumsum(cost)[last])
    )


def maximum_profit(found: Campaign, terms: Terms) -> MaximumProfit:
    """EMPC: the expectation over gamma of the best k's profit.

    For a given gamma the best k is a corner of the upper hull of (cost, gain); it moves from one corner
    to the next where gamma reaches the cost of the step over its gain, and between these the
    integrals of gamma's density are incomplete beta functions.
    """
    corners = _hull(found.cost, found.gain)
    gain, cost = found.gain[corners], found.cost[corners]
    steps = np.diff(cost) / np.diff(gain)
    edges = np.concatenate([[0.0], np.clip(steps, 0.0, 1.0), [1.0]])
    weight = np.diff(betainc(terms.alpha, terms.beta, edges))
    mean = terms.kept * np.diff(betainc(terms.alpha + 1, terms.beta, edges))
    n = found.approached[-1]
    return MaximumProfit(
        float(np.sum(gain * mean - cost * weight) / n),
        float(np.sum(found.approached[corners] * weight) / n),
    )


def expected_gain(probability: Matrix, value: Matrix, terms: Terms) -> Matrix:
    """What approaching each customer is expected to bring, shape (n,): a ranking by money."""
    leaves = terms.kept * (value - terms.incentive)
    return probability * leaves - (1 - probability) * terms.incentive - terms.contact


def total_value(model: Model, matrix: Matrix) -> Matrix:
    """The value model's expected value of each row, shape (n,), in the reporting currency."""
    answers = model.predict(matrix)
    parts = [answers[head.name] for head in model.heads if head.kind == "amount"]
    total: Matrix = np.sum(parts, axis=0)
    return total


def _hull(cost: Matrix, gain: Matrix) -> list[int]:
    """Corners of the upper hull from nobody on, as long as gain rises; cost rises throughout."""
    corners = [0]
    for k in range(1, len(cost)):
        if gain[k] <= gain[corners[-1]]:
            continue
        while len(corners) > 1 and _bends_up(cost, gain, corners[-2], corners[-1], k):
            corners.pop()
        corners.append(k)
    return corners


def _bends_up(cost: Matrix, gain: Matrix, a: int, b: int, c: int) -> bool:
    """Whether corner b lies on or below the line from a to c."""
    rise, run = gain[b] - gain[a], cost[b] - cost[a]
    return bool(rise * (cost[c] - cost[b]) <= (gain[c] - gain[b]) * run)
