"""One page a model: how good it is beside plain methods, where it is weak, what moves it, what changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.home import Home, write_whole
from features.pages.bars import lying_bars
from features.pages.render import render
from training.added import side_by_side
from training.artifact import Matrix, Model
from training.datasets import TrainingSet
from training.evaluate import Evaluation, HeadResult
from training.fit import TOTAL
from training.measures import delong
from training.pages.changes import Champion, Change, change
from training.pages.drivers import Driver, drivers
from training.pages.grade import Grade, grade_amount, grade_probability
from training.pages.pictures import (
    Picture,
    Tenth,
    amount_pictures,
    probability_pictures,
    profit_picture,
    tenths,
)
from training.pages.reasons import Reasons, reasons
from training.profit import MaximumProfit, Terms, campaign, expected_gain, maximum_profit
from training.slices import FEWEST, Parts, Slice
from training.split import Split
from training.worth.baselines import plain_scores
from training.worth.horizons import horizons_of

if TYPE_CHECKING:
    from training.gates import Verdict

__all__ = ["model_page", "page_path", "write_page"]

_DRIVERS = 12
_PUBLISHED = 200.0
"""The customer value of the published terms, for which an incentive is 10 and a contact 1."""
_OUTCOMES = {"churn": "risk of leaving", "propensity": "chance of taking it", "value": "value"}


@dataclass(frozen=True)
class _Profit:
    """Expected maximum profit a customer, by ranking; `own` says whether each customer's value counted."""

    terms: Terms
    own: bool
    value: float
    rankings: Mapping[str, MaximumProfit]


@dataclass(frozen=True)
class _Section:
    """One head as the page shows it; low and high are the 95% interval of its score."""

    head: HeadResult
    grade: Grade
    score: float
    low: float
    high: float
    tenths: tuple[Tenth, ...]
    pictures: list[Picture]
    drivers: tuple[Driver, ...]
    bars: str
    slices: tuple[Slice, ...]
    hidden: int
    profit: _Profit | None
    change: Change | None
    reasons: Reasons | None


@dataclass(frozen=True)
class _Data:
    """What every section is made from."""

    model: Model
    examples: TrainingSet
    split: Split
    slices: Mapping[str, Parts]
    champion: Champion | None
    values: Matrix | None


def model_page(
    model: Model,
    examples: TrainingSet,
    split: Split,
    evaluation: Evaluation,
    slices: Mapping[str, Parts],
    *,
    title: str,
    champion: Champion | None = None,
    values: Matrix | None = None,
    refused: Mapping[str, str] | None = None,
    pooled: Mapping[str, str] | None = None,
    verdict: "Verdict | None" = None,
    notes: Mapping[str, list[str]] | None = None,
) -> str:
    """Write a trained model's page.

    Parameters
    ----------
    evaluation
        The model's, on the split's test rows.
    slices
        Of the same evaluation, by head (`training.slices`).
    title
        Such as 'churn, version 3'.
    values
        Shape (n_test,): what each customer of the test is worth, in the reporting currency (see
        `training.profit.total_value`); None if no value model is at hand, and then the profit of a
        churn model rests on one published value for all.
    refused
        Heads without a model, name -> reason.
    pooled
        Products that share one booster, name -> reason; they have a line each, and no section.
    notes
        What else there is to say, heading -> lines, before the figures.

    Returns
    -------
    str
        One self-contained HTML page; no figure of a single customer is on it.
    """
    data = _Data(model, examples, split, slices, champion, values)
    shown = [h for h in evaluation.heads if h.kind == "probability" or h.name == TOTAL]
    shown = [h for h in shown if not h.metrics.get("pooled")]
    return render(
        "model.html.j2",
        title=title,
        model=model,
        sections=[_section(data, head) for head in shown],
        parts=[h for h in evaluation.heads if h.kind == "amount"],
        horizons=horizons_of(model),
        longer=evaluation.longer,
        **(side_by_side(evaluation) if model.name == "propensity" else {}),
        refused=refused or {},
        pooled=pooled or {},
        verdict=verdict,
        notes=notes or {},
        fewest=FEWEST,
        nan=float("nan"),
    )


def page_path(home: Home, name: str, version: str) -> Path:
    """Where a model's page lies: `<home>/reports/<name>-<version>.html`."""
    return home.reports / f"{name}-{version}.html"


def write_page(home: Home, name: str, version: str, page: str) -> Path:
    """Write a page whole to its place, and return where."""
    path = page_path(home, name, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def _outcome(model: Model) -> str:
    return _OUTCOMES.get(model.name, "chance")


def _section(data: _Data, head: HeadResult) -> _Section:
    test = data.examples.frame.iloc[data.split.test[head.rows]]
    moved = drivers(data.model, head.name, test, _outcome(data.model))
    score, low, high = head.metrics.get("gini", np.nan), np.nan, np.nan
    profit: tuple[_Profit, Picture] | None = None
    if head.kind == "probability":
        plain = plain_scores(data.model, data.examples, data.split, head.name)
        plain = {name: answer[head.rows] for name, answer in plain.items()}
        grade, pictures = grade_probability(head, plain), probability_pictures(head)
        (score,), covariance = delong(head.actual, head.predicted[None, :])
        low, high = (float(score) + z * float(covariance[0, 0]) ** 0.5 for z in (-1.96, 1.96))
        profit = _profit(data, head, plain) if data.model.name == "churn" else None
    else:
        grade, pictures = grade_amount(head), amount_pictures(head)
    return _Section(
        head=head,
        grade=grade,
        score=float(score),
        low=float(np.clip(low, 0.0, 1.0)),
        high=float(np.clip(high, 0.0, 1.0)),
        tenths=tenths(head),
        pictures=pictures + ([profit[1]] if profit else []),
        drivers=moved[:_DRIVERS],
        bars=_bars(moved[:_DRIVERS]),
        slices=data.slices[head.name].shown,
        hidden=data.slices[head.name].hidden,
        profit=profit[0] if profit else None,
        change=_change(data, head, moved),
        reasons=_reasons(data, head),
    )


def _bars(found: tuple[Driver, ...]) -> str:
    shares = {d.feature.label: d.share for d in found}
    return lying_bars(shares, [f"{share:.0%}" for share in shares.values()], "What moves the answers")


def _profit(data: _Data, head: HeadResult, plain: Mapping[str, Matrix]) -> tuple[_Profit, Picture]:
    """Expected maximum profit of the model's ranking and of plain ones; by money where values are known."""
    n, own = len(head.actual), data.values is not None
    value = data.values[head.rows] if data.values is not None else np.full(n, _PUBLISHED)
    typical = float(value[value > 0].mean()) if (value > 0).any() else _PUBLISHED
    terms = Terms(incentive=typical * 10 / _PUBLISHED, contact=typical / _PUBLISHED)
    scores = {"model": head.predicted}
    if own:
        scores["model, by expected gain"] = expected_gain(head.predicted, value, terms)
    found = {name: campaign(head.actual, score, value, terms) for name, score in scores.items()}
    beside = {**plain, "nobody told apart": np.zeros(n)}
    others = {name: campaign(head.actual, score, value, terms) for name, score in beside.items()}
    rankings = {name: maximum_profit(one, terms) for name, one in (found | others).items()}
    curves = {name: (one, one.profit(terms.kept)) for name, one in found.items()}
    return _Profit(terms, own, typical, rankings), profit_picture(curves, data.model.currency)


def _change(data: _Data, head: HeadResult, moved: tuple[Driver, ...]) -> Change | None:
    if data.champion is None:
        return None
    return change(data.model, head, data.champion, data.examples, data.split, moved)


def _reasons(data: _Data, head: HeadResult) -> Reasons | None:
    """Of a model with one answer; to train each of many again would take as long as to train them."""
    if len(data.model.heads) > 1 or head.kind != "probability":
        return None
    return reasons(data.model, head.name, data.examples.frame, data.split)
