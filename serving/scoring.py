"""The one path to a number: feature columns in, checked scores out, for one customer and for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain

import numpy as np

from features.vocabulary import Catalogue
from serving.columns import Columns, Floats, length, numbers, take
from serving.explain import Audience, Reason, explain
from serving.learned import learned_names, learned_scores
from serving.policy import Mask, may_have
from training.artifact import Model
from training.contract import unseen as unseen_by
from training.survival import survival
from training.versions.champions import ModelVersion
from training.worth.horizons import Horizon, horizons_of, project

__all__ = ["ABSTAIN", "DEGRADED", "MODELS", "OK", "SUPPRESSED", "Scorer", "Scores"]

OK, DEGRADED, SUPPRESSED, ABSTAIN = "ok", "degraded", "suppressed", "abstain"
MODELS = ("churn", "value", "propensity")


@dataclass(frozen=True)
class Scores:
    """Scores of n rows.

    status, reasons
        Per row: ok, degraded (a feature is as training never saw it), suppressed (no consent to
        profiling) or abstain (a score that cannot be), and why.
    values
        Arrays of shape (n,), NaN where there is no number: `churn` (probability); `value_expected`,
        `value_p10`, `value_p90` and `value_<part>` (major units of the reporting currency), and
        `value_<months>m_expected` and `value_<months>m_<part>` of each longer horizon that the model has;
        `propensity_<product>` (probability; eligible non-holders only); and what the optional champions
        add (`serving.learned.learned_names`).
    """

    status: list[str]
    reasons: list[tuple[str, ...]]
    values: dict[str, Floats]


@dataclass(frozen=True)
class Scorer:
    """The champions with their versions, optional ones as far as there are, and what the bank sells."""

    models: Mapping[str, tuple[Model, ModelVersion]]
    catalogue: Catalogue

    @property
    def versions(self) -> dict[str, str]:
        """Model name -> 'churn/7 sha256:<first twelve digits>'."""
        return {
            name: f"{name}/{version.version} sha256:{version.sha256[:12]}"
            for name, (_, version) in self.models.items()
        }

    @property
    def products(self) -> tuple[str, ...]:
        """The products that the propensity model answers for and the catalogue offers."""
        heads = {head.name for head in self.model("propensity").heads}
        return tuple(p.name for p in self.catalogue.offered if p.name in heads)

    @property
    def pooled(self) -> tuple[str, ...]:
        """Those of the products that share one model, because too few have taken them."""
        basis = {head.name: head.basis for head in self.model("propensity").heads}
        return tuple(name for name in self.products if basis[name] == "pooled")

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the expected value is the sum of."""
        return tuple(head.name for head in self.model("value").heads if head.kind == "amount")

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        """The longer horizons of value, also those that history is too short for."""
        return horizons_of(self.model("value"))

    @property
    def loaded(self) -> dict[str, Model]:
        """The champions by name."""
        return {name: model for name, (model, _) in self.models.items()}

    def model(self, name: str) -> Model:
        """The champion of one family."""
        return self.models[name][0]

    def score(self, columns: Columns) -> Scores:
        """Score rows of features.

        A row without consent to profiling is suppressed, and no model touches it. A row with a
        score that is not finite, or a probability outside [0, 1], is answered with abstain.

        Raises
        ------
        InputError
            If a column that a model or a rule needs is missing.
        """
        n = length(columns)
        consenting = np.flatnonzero(numbers(columns, "consent_profiling") == 1) if n else np.empty(0, int)
        status = [SUPPRESSED] * n
        reasons: list[tuple[str, ...]] = [("no_profiling_consent",)] * n
        found, unseen = self._numbers(take(columns, consenting.tolist())) if len(consenting) else ({}, [])
        impossible = _impossible(found, len(consenting))
        for row, bad, news in zip(consenting.tolist(), impossible, unseen, strict=True):
            status[row] = ABSTAIN if bad else DEGRADED if news else OK
            reasons[row] = (*(f"impossible_score:{name}" for name in bad), *news)
        values = {name: np.full(n, np.nan) for name in self._names()}
        sound = np.array([not bad for bad in impossible], dtype=bool)
        for name, (scores, asked) in found.items():
            values[name][consenting] = np.where(sound & asked, scores, np.nan)
        return Scores(status, reasons, values)

    def survival(self, probability: float) -> list[float]:
        """P(still here) at the end of each month of the churn horizon; empty where no month is known."""
        shares = self.model("churn").training.get("survival")
        return survival([probability], shares)[0].tolist() if shares else []

    def because(
        self, columns: Columns, model: str, head: str, top: int = 3, audience: Audience = "manager"
    ) -> list[tuple[Reason, ...]]:
        """Reasons in words behind one head's score, for each row."""
        return explain(self.model(model), head, columns, top, audience)

    def _names(self) -> list[str]:
        value = [f"value_{name}" for name in ("expected", "p10", "p90", *self.parts)]
        for horizon in self._projected():
            value += [f"value_{horizon.months}m_{name}" for name in ("expected", *self.parts)]
        names = ["churn", *value, *(f"propensity_{p}" for p in self.products)]
        return [*names, *learned_names(self.loaded, self.catalogue)]

    def _projected(self) -> list[Horizon]:
        return [horizon for horizon in self.horizons if not horizon.missing]

    def _numbers(self, columns: Columns) -> tuple[dict[str, tuple[Floats, Mask]], list[tuple[str, ...]]]:
        """Name -> (scores, whether each row is asked for), both of shape (n,); by row what is unseen."""
        answers, news = {}, []
        for name in MODELS:
            matrix = self.model(name).matrix(columns)
            answers[name] = self.model(name).predict(matrix)
            news.append(unseen_by(self.model(name).features, columns, matrix))
        unseen = [tuple(dict.fromkeys(chain(*row))) for row in zip(*news, strict=True)]
        everyone = np.ones(length(columns), dtype=bool)
        value = answers["value"]
        # One part after the other: a sum over an axis may add in another order for one row than for many.
        parts = {part: value[part] for part in self.parts}
        value["expected"] = reduce(np.add, parts.values())
        for horizon in self._projected():
            carried = project(parts, horizon)
            value |= {f"{horizon.months}m_{name}": amounts for name, amounts in carried.items()}
        found = {"churn": (answers["churn"]["churn"], everyone)}
        found |= {f"value_{name}": (scores, everyone) for name, scores in value.items()}
        for name in self.products:
            asked = may_have(columns, self.catalogue.products[name])
            found[f"propensity_{name}"] = (answers["propensity"][name], asked)
        learned = learned_scores(self.loaded, self.catalogue, columns)
        return found | {name: (scores, everyone) for name, scores in learned.items()}, unseen


def _impossible(found: Mapping[str, tuple[Floats, Mask]], n: int) -> list[list[str]]:
    """For each row the names of the scores that cannot be."""
    bad: list[list[str]] = [[] for _ in range(n)]
    for name, (scores, asked) in found.items():
        wrong = ~np.isfinite(scores)
        if not name.startswith(("value_", "margin_")):
            wrong |= (scores < 0.0) | (scores > 1.0)
        for row in np.flatnonzero(wrong & asked):
            bad[row].append(name)
    return bad
