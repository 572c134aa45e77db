"""Several models on the same customers: rows are coded once, and one call answers for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.artifact import Matrix, Model
from training.coding import Coder
from training.forest import Forest, together

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """Models by name. A feature that several of them code alike stands once in a coded row."""

    models: Mapping[str, Model]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns that are read, each once, in the order that `row` takes."""
        return tuple(dict.fromkeys(feature.name for feature in self._coder.features))

    def row(self, values: Sequence[Any]) -> Matrix:
        """One customer's values in the order of `fields`, None where missing, coded; shape (1, width).

        Raises
        ------
        InputError
            If a number is expected and something else is there.
        """
        return self.matrix({name: [value] for name, value in zip(self.fields, values, strict=True)})

    def matrix(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        """Columns by name, coded for all models, shape (n, width); errors as of `Coder.matrix`."""
        return self._coder.matrix(columns)

    def part(self, name: str, coded: Matrix) -> Matrix:
        """One model's columns of coded rows, as its `Model.matrix` gives them."""
        return coded[:, self._places[name]]

    def predict(self, coded: Matrix) -> dict[str, dict[str, Matrix]]:
        """The answers of each model, as its `Model.predict` gives them."""
        raw = self._forest.raw(coded)
        answers, end = {}, 0
        for name, model in self.models.items():
            begin, end = end, end + model.forest.outputs
            answers[name] = model.calibrated(raw[:, begin:end])
        return answers

    @cached_property
    def _coder(self) -> Coder:
        features = {(f.name, f.levels): f for model in self.models.values() for f in model.features}
        return Coder("models", tuple(features.values()))

    @cached_property
    def _places(self) -> dict[str, NDArray[np.intp]]:
        """Model -> where its features stand in a coded row."""
        place = {(f.name, f.levels): i for i, f in enumerate(self._coder.features)}
        return {
            name: np.array([place[f.name, f.levels] for f in model.features], dtype=np.intp)
            for name, model in self.models.items()
        }

    @cached_property
    def _forest(self) -> Forest:
        parts = [(model.forest, self._places[name].tolist()) for name, model in self.models.items()]
        return together(parts, len(self._coder.features))
