"""What a loaded model of uplift answers: for logged rows, and for every option of a customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import CorruptError
from training.artifact import Matrix, Model
from training.forest import together
from training.uplift.kernel import Change
from training.uplift.learners import Learned
from training.uplift.linear import Linear
from training.uplift.responses import CHANNEL, PREFERRED, PRODUCT

__all__ = ["OF_THE_OPTION", "OTHER_HEAD", "Options", "Uplift", "UpliftModel", "on_line"]

OTHER_HEAD = {"linear": "", "two_models": "contacted", "shifted": "change", "doubly_robust": "uplift"}
"""Learner -> its second head: a probability, or a difference of log-odds or of probabilities; `linear` has
none, its few numbers are told in `about`."""

OF_THE_OPTION = frozenset((PRODUCT, CHANNEL, PREFERRED))
"""Features of what is offered, not of the customer."""


@dataclass(frozen=True)
class Uplift:
    """Probabilities in [0, 1] if left alone and if contacted, and contacted - alone; one shape."""

    alone: Matrix
    contacted: Matrix
    uplift: Matrix


@dataclass(frozen=True)
class UpliftModel:
    """An artifact whose heads together answer what a contact changes; `save_model` keeps its `model`."""

    model: Model

    @property
    def about(self) -> Mapping[str, Any]:
        """What the artifact says of its learner and calibration.

        Raises
        ------
        CorruptError
            If the artifact is not one of a model of uplift.
        """
        if "uplift" not in self.model.training:
            raise CorruptError(
                f"model '{self.model.name}': no model of uplift; cure: train it by fit_uplift"
            )
        about: Mapping[str, Any] = self.model.training["uplift"]
        return about

    def knows(self, product: str) -> bool:
        """Whether contacts about a product were learned from."""
        return any(f.name == PRODUCT and product in (f.levels or ()) for f in self.model.features)

    def predict(self, matrix: Matrix) -> Uplift:
        """Answers from a matrix in contract order (`Model.matrix`), each of shape (n,)."""
        raw, nothing = self.model.forest.raw(matrix)[:, None, :], np.empty((len(matrix), 1, 0))
        alone, contacted = self.change.answers(raw, matrix, np.empty(0, np.int64), nothing)
        return Uplift(alone[:, 0], contacted[:, 0], (contacted - alone)[:, 0])

    def options(self, columns: Mapping[str, Sequence[Any]], offers: Sequence[tuple[str, str]]) -> Uplift:
        """Answers for every offer, a product by a channel, to n customers; each of shape (n, offers).

        A channel by which nobody was contacted is answered as one that is not known.
        """
        n = len(next(iter(columns.values())))
        unknown = dict.fromkeys(OF_THE_OPTION, [None] * n)
        rows = self.model.matrix({**columns, **unknown})
        places = np.arange(len(self.model.features))
        liked = columns.get("preferred_channel", [None] * n)
        alone, contacted = Options(self, offers, places, len(places)).answer(rows, liked)
        return Uplift(alone, contacted, contacted - alone)

    @cached_property
    def change(self) -> Change:
        """How raw scores become answers."""
        head, files, learned = self.model.head("alone"), self.model.files, self._learned
        other = self.model.head(OTHER_HEAD[learned.learner] or "alone")
        return Change.of(learned, (files[head.file], files[other.file]), head.line, self.about["line"])

    @cached_property
    def _learned(self) -> Learned:
        learner, alone = self.about["learner"], self.model.head("alone")
        if learner == "linear":
            tilt = (alone.calibration["slope"], alone.calibration["intercept"])
            return Learned(learner, alone.booster, Linear.read(self.about["linear"]), tilt=tilt)
        other = self.model.head(OTHER_HEAD[learner])
        start = other.calibration.get("shift", 0.0)
        return Learned(learner, alone.booster, other.booster, start)


class Options:
    """What a model answers for some offers, a product by a channel, to customers of coded rows.

    The trees take all offers of a customer in one call.

    Parameters
    ----------
    places, width
        Where the model's features stand in a row, in contract order, and how long a row is. What a row
        holds of the offer's own features does not matter.
    """

    def __init__(
        self, model: UpliftModel, offers: Sequence[tuple[str, str]], places: NDArray[np.intp], width: int
    ) -> None:
        self._forest = together([(model.model.forest, places.tolist())], width)
        self._change = model.change.moved(places.tolist())
        features = [(at, f) for at, f in enumerate(model.model.features) if f.name in OF_THE_OPTION]
        self._places = np.array([places[at] for at, _ in features], dtype=np.int64)
        channels = [channel for _, channel in offers]
        words = {PRODUCT: [product for product, _ in offers], CHANNEL: channels}
        self._values = np.zeros((len(offers), len(features)))
        for nth, (_, feature) in enumerate(features):
            if feature.name != PREFERRED:
                self._values[:, nth] = feature.codes(words[feature.name])
        self._preferred = next((n for n, (_, f) in enumerate(features) if f.name == PREFERRED), None)
        self._liked = {c: np.array([float(c == one) for one in channels]) for c in channels}

    def answer(self, rows: Matrix, liked: Sequence[Any]) -> tuple[Matrix, Matrix]:
        """P(outcome | alone) and P(outcome | contacted), (n, offers) each.

        Parameters
        ----------
        liked
            The channel that each customer prefers, None where it is not known.
        """
        values = np.repeat(self._values[None], len(rows), axis=0)
        if self._preferred is not None:
            for row, channel in enumerate(liked):
                values[row, :, self._preferred] = self._liked.get(channel, 0.0)
        raw = self._forest.varied(rows, self._places.tolist(), values)
        return self._change.answers(raw, rows, self._places, values)


def on_line(uplift: Matrix, even: Matrix, line: Mapping[str, float]) -> Matrix:
    """Raw uplift to the calibrated one (`training.uplift.scores.Line`)."""
    return even + line["slope"] * (uplift - even - line["centre"])
