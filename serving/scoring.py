"""The one path to a number: feature columns in, checked scores out, for one customer and for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.eligibility import eligibility
from features.selling.offers import Option
from features.selling.programs import Programs
from features.vocabulary import Catalogue
from serving.columns import Columns, Floats, length, numbers, take, words
from serving.explain import Audience, Reason, explain
from serving.learned import Known, LearnedScores, learned_names, learned_options, uplift_models
from serving.policy import Mask
from serving.table import Composition, bounds_of, check
from training.artifact import Model
from training.contract import Feature, unseen, watched
from training.ensemble import Ensemble
from training.survival import survival
from training.uplift.answers import OF_THE_OPTION, UpliftModel
from training.versions.champions import ModelVersion
from training.worth.horizons import Horizon, horizons_of

__all__ = ["ABSTAIN", "DEGRADED", "MODELS", "OK", "SUPPRESSED", "Scorer", "Scores"]

OK, DEGRADED, SUPPRESSED, ABSTAIN = "ok", "degraded", "suppressed", "abstain"
MODELS = ("churn", "value", "propensity")


@dataclass(frozen=True)
class Scores:
    """Scores of n rows.

    status, reasons
        Per row: ok, degraded (a feature is as training never saw it), suppressed (no consent to
        profiling) or abstain (a score that cannot be), and why.
    names, table
        Of the scores, and their numbers, (n, names), NaN where there is none: `churn` (probability);
        `value_expected`, `value_p10`, `value_p90` and `value_<part>` (major units of the reporting
        currency), and `value_<months>m_expected` and `value_<months>m_<part>` of each longer horizon that
        the model has; `propensity_<product>` (probability; eligible non-holders only); and what the
        optional champions add (`serving.learned.learned_names`).
    """

    status: list[str]
    reasons: list[tuple[str, ...]]
    names: tuple[str, ...]
    table: Floats

    @cached_property
    def values(self) -> dict[str, Floats]:
        """The columns of the table by name, each (n,)."""
        return dict(zip(self.names, self.table.T, strict=True))


@dataclass(frozen=True)
class Scorer:
    """The champions with their versions, optional ones as far as there are, and what the bank sells."""

    models: Mapping[str, tuple[Model, ModelVersion]]
    catalogue: Catalogue

    @cached_property
    def versions(self) -> dict[str, str]:
        """Model name -> 'churn/7 sha256:<first twelve digits>'."""
        return {
            name: f"{name}/{version.version} sha256:{version.sha256[:12]}"
            for name, (_, version) in self.models.items()
        }

    @cached_property
    def products(self) -> tuple[str, ...]:
        """The products that the propensity model answers for and the catalogue offers."""
        heads = {head.name for head in self.model("propensity").heads}
        return tuple(p.name for p in self.catalogue.offered if p.name in heads)

    @cached_property
    def pooled(self) -> tuple[str, ...]:
        """Those of the products that share one model, because too few have taken them."""
        basis = {head.name: head.basis for head in self.model("propensity").heads}
        return tuple(name for name in self.products if basis[name] == "pooled")

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that the expected value is the sum of."""
        return tuple(head.name for head in self.model("value").heads if head.kind == "amount")

    @cached_property
    def horizons(self) -> tuple[Horizon, ...]:
        """The longer horizons of value, also those that history is too short for."""
        return horizons_of(self.model("value"))

    @cached_property
    def loaded(self) -> dict[str, Model]:
        """The champions by name."""
        return {name: model for name, (model, _) in self.models.items()}

    @cached_property
    def known(self) -> Known:
        """What the optional champions know of the options."""
        return Known.of(self.loaded, self.catalogue, self.names)

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
        consenting = np.flatnonzero(numbers(columns, "consent_profiling") == 1).tolist() if n else []
        status = [SUPPRESSED] * n
        reasons: list[tuple[str, ...]] = [("no_profiling_consent",)] * n
        if not consenting:
            return Scores(status, reasons, self.names, np.full((n, len(self.names)), np.nan))
        found, wrong, news = self._numbers(take(columns, consenting))
        sound: list[bool] = (~np.any(wrong, axis=1)).tolist()
        for row, (source, unknown) in enumerate(zip(consenting, news, strict=True)):
            fine = sound[row]
            status[source] = (DEGRADED if unknown else OK) if fine else ABSTAIN
            bad = () if fine else [self.names[place] for place in np.flatnonzero(wrong[row]).tolist()]
            reasons[source] = (*(f"impossible_score:{name}" for name in bad), *unknown)
        if len(consenting) == n:
            return Scores(status, reasons, self.names, found)
        table = np.full((n, len(self.names)), np.nan)
        table[consenting] = found
        return Scores(status, reasons, self.names, table)

    def survival(self, probability: float) -> list[float]:
        """P(still here) at the end of each month of the churn horizon; empty where no month is known."""
        shares = self.model("churn").training.get("survival")
        return survival([probability], shares)[0].tolist() if shares else []

    def because(
        self, columns: Columns, model: str, head: str, top: int = 3, audience: Audience = "manager"
    ) -> list[tuple[Reason, ...]]:
        """Reasons in words behind one head's score, for each row."""
        return explain(self.model(model), head, columns, top, audience)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the scores, in the order of their table."""
        value = [f"value_{name}" for name in ("expected", "p10", "p90", *self.parts)]
        for horizon in self._projected:
            value += [f"value_{horizon.months}m_{name}" for name in ("expected", *self.parts)]
        names = ["churn", *value, *(f"propensity_{p}" for p in self.products)]
        return (*names, *learned_names(self.loaded, self.catalogue, self._options))

    @cached_property
    def _ensemble(self) -> Ensemble:
        """All models of the customer alone, with rows for those of contacts, which answer by option."""
        alone = {name: m for name, m in self.loaded.items() if name in (*MODELS, "margin")}
        return Ensemble(alone, {name: m.model for name, m in self._uplift.items()}, OF_THE_OPTION)

    @cached_property
    def _projected(self) -> tuple[Horizon, ...]:
        return tuple(horizon for horizon in self.horizons if not horizon.missing)

    @cached_property
    def _uplift(self) -> Mapping[str, UpliftModel]:
        return uplift_models(self.loaded)

    @cached_property
    def _options(self) -> Mapping[str, tuple[Option, ...]]:
        return learned_options(self._uplift, self.catalogue)

    @cached_property
    def _changes(self) -> list[LearnedScores]:
        return [
            LearnedScores(
                model, self._options[name], self._ensemble.places(name), self._ensemble.width, self.places
            )
            for name, model in self._uplift.items()
            if self._options[name]
        ]

    @cached_property
    def _eligible(self) -> Programs:
        return Programs([eligibility(self.catalogue.products[name]) for name in self.products])

    @cached_property
    def _composition(self) -> Composition:
        of = {
            name if model == "churn" else f"{model}_{name}": column
            for (model, name), column in self._ensemble.heads.items()
        }
        longer = (
            (f"value_{h.months}m_", [h.factors[part] for part in self.parts]) for h in self._projected
        )
        own = ("value_", [1.0] * len(self.parts))
        return Composition.of(self.names, of, self.parts, [own, *longer])

    @cached_property
    def places(self) -> dict[str, int]:
        """The column of each score."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def _first(self) -> int:
        """Where the propensities begin; with none, behind all scores."""
        return self.places[f"propensity_{self.products[0]}"] if self.products else len(self.names)

    @cached_property
    def _watched(self) -> tuple[list[Feature], NDArray[np.intp]]:
        """Features of the customer's models that may be unseen, and where they stand in a coded row."""
        found: dict[tuple[int, bool], Feature] = {}
        for name in MODELS:
            features, places = self.model(name).features, self._ensemble.places(name)
            for place in watched(features):
                found.setdefault((int(places[place]), features[place].gaps), features[place])
        return list(found.values()), np.array([place for place, _ in found], dtype=np.intp)

    @cached_property
    def _bounds(self) -> tuple[Floats, Floats]:
        return bounds_of(self.names, self.parts, self.model("value").training.get("amounts", {}))

    def _numbers(self, columns: Columns) -> tuple[Floats, Mask, list[tuple[str, ...]]]:
        """Scores (n, names), which of them are impossible, and by row what is unseen."""
        coded = self._ensemble.matrix(columns)
        features, places = self._watched
        news = unseen(features, columns, coded[:, places])
        table = self._composition.table(self._ensemble.predict(coded))
        for change in self._changes:
            change.write(coded, words(columns, "preferred_channel"), table)
        may = self._eligible.hold(self._eligible.matrix(columns, len(table)))
        return table, check(table, may, self._first, *self._bounds), news
