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
from training.lines import Lines
from training.lines import together as lines_together

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """Models by name. A feature that several of them code alike stands once in a coded row."""

    models: Mapping[str, Model]

    def matrix(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        """Columns by name, coded for all models, shape (n, width); errors as of `Coder.matrix`."""
        return self._coder.matrix(columns)

    def places(self, name: str) -> NDArray[np.intp]:
        """Where one model's features stand in a coded row, in contract order."""
        return self._places[name]

    @cached_property
    def heads(self) -> dict[tuple[str, str], int]:
        """Model and head -> its column of the answers."""
        names = ((name, head.name) for name, model in self.models.items() for head in model.heads)
        return {name: place for place, name in enumerate(names)}

    def predict(self, coded: Matrix) -> Matrix:
        """The answers of every head, as `Model.predict` of its model gives them, (n, heads)."""
        return self._lines.answers(self._forest.raw(coded))

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

    @cached_property
    def _lines(self) -> Lines:
        return lines_together([(model.lines, model.forest.outputs) for model in self.models.values()])
