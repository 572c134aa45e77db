"""What a loaded model of uplift answers: for logged rows, and for every option of a customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from features.errors import CorruptError
from training.artifact import Matrix, Model
from training.uplift.learners import Learned
from training.uplift.linear import Linear
from training.uplift.responses import CHANNEL, PREFERRED, PRODUCT
from training.uplift.scores import even_uplift

__all__ = ["OTHER_HEAD", "Uplift", "UpliftModel", "on_line"]

OTHER_HEAD = {"linear": "", "two_models": "contacted", "shifted": "change", "doubly_robust": "uplift"}
"""Learner -> its second head: a probability, or a difference of log-odds or of probabilities; `linear` has
none, its few numbers are told in `about`."""

_ROWS = 20_000
"""Rows of options that are held in memory at once."""


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
        return self._answered(self._learned, self.model.forest.raw(matrix), matrix)

    def options(self, columns: Mapping[str, Sequence[Any]], offers: Sequence[tuple[str, str]]) -> Uplift:
        """Answers for every offer, a product by a channel, to n customers; each of shape (n, offers).

        One call of the trees takes all offers of many customers. A channel by which nobody was
        contacted is answered as one that is not known.
        """
        if not offers:
            empty = np.empty((len(next(iter(columns.values()), ())), 0))
            return Uplift(empty, empty, empty)
        n, m = len(next(iter(columns.values()))), len(offers)
        unknown = dict.fromkeys((PRODUCT, CHANNEL, PREFERRED), [None] * n)
        base = self.model.matrix({**columns, **unknown})
        offered = self._offered(columns.get("preferred_channel", [None] * n), offers)
        values = np.empty((n, m, len(offered)))
        for nth, varying in enumerate(offered.values()):
            values[:, :, nth] = varying
        block, parts = max(1, _ROWS // m), []
        for begin in range(0, n, block):
            some = slice(begin, begin + block)
            parts.append(self._varied(base[some], list(offered), values[some]))
        alone, contacted, uplift = (
            np.concatenate([getattr(p, name) for p in parts]).reshape(n, m)
            for name in ("alone", "contacted", "uplift")
        )
        return Uplift(alone, contacted, uplift)

    def _varied(self, base: Matrix, places: Sequence[int], values: Matrix) -> Uplift:
        """Answers, (n x m,), for n rows, each with m values of the features at some places, (n, m, p)."""
        learned, rows = self._learned, base
        raw = self.model.forest.varied(base, places, values)
        if isinstance(learned.other, Linear):  # the trees copy nothing, its few terms are read from rows
            rows = np.repeat(base, values.shape[1], axis=0)
            rows[:, places] = values.reshape(len(rows), len(places))
        return self._answered(learned, raw.reshape(-1, raw.shape[2]), rows)

    def _answered(self, learned: Learned, raw: Matrix, rows: Matrix) -> Uplift:
        """Answers from raw scores of the model's forest, (n, outputs); `linear` reads the rows too."""
        head, files, line = self.model.head("alone"), self.model.files, self.about["line"]
        other = self.model.head(OTHER_HEAD[learned.learner] or "alone")
        left = raw[:, files[head.file]]
        uplift = learned.uplift(left, raw[:, files[other.file]], rows)
        alone = head.calibrated(left)
        return _answer(alone, on_line(uplift, even_uplift(alone, line["shift"]), line))

    def _offered(self, liked: Sequence[Any], offers: Sequence[tuple[str, str]]) -> dict[int, Matrix]:
        """Place of each feature of the offer -> its values, (n, offers)."""
        products, channels = zip(*offers, strict=True)
        shape = (len(liked), len(offers))
        found = {}
        for place, feature in enumerate(self.model.features):
            if feature.name == PREFERRED:
                found[place] = np.array([[float(c == like) for c in channels] for like in liked])
            elif feature.name in (PRODUCT, CHANNEL):
                words = products if feature.name == PRODUCT else channels
                found[place] = np.broadcast_to(feature.codes(words), shape)
        return found

    @cached_property
    def _learned(self) -> Learned:
        learner, alone = self.about["learner"], self.model.head("alone")
        if learner == "linear":
            tilt = (alone.calibration["slope"], alone.calibration["intercept"])
            return Learned(learner, alone.booster, Linear.read(self.about["linear"]), tilt=tilt)
        other = self.model.head(OTHER_HEAD[learner])
        start = other.calibration.get("shift", 0.0)
        return Learned(learner, alone.booster, other.booster, start)


def on_line(uplift: Matrix, even: Matrix, line: Mapping[str, float]) -> Matrix:
    """Raw uplift to the calibrated one (`training.uplift.scores.Line`)."""
    return even + line["slope"] * (uplift - even - line["centre"])


def _answer(alone: Matrix, uplift: Matrix) -> Uplift:
    """Held to probabilities: a contact changes no more than there is to change."""
    contacted = np.clip(alone + uplift, 0.0, 1.0)
    return Uplift(alone, contacted, contacted - alone)
