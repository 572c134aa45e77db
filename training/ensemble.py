"""Several models on the same customers: rows are coded once, and one call answers for all of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.artifact import Matrix, Model
from training.coding import Coder
from training.contract import Feature
from training.forest import Forest, together
from training.lines import Lines
from training.lines import together as lines_together

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble:
    """Models by name. A feature that several of them code alike stands once in a coded row.

    others
        Models whose features stand in a row too, and which answer by themselves.
    apart
        Names of features that are not the customer's: they have places behind all others, and are NaN.
    """

    models: Mapping[str, Model]
    others: Mapping[str, Model] = field(default_factory=dict)
    apart: Collection[str] = ()

    @property
    def width(self) -> int:
        """Of a coded row."""
        return len(self._coder.features) + len(self._apart)

    def matrix(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        """Columns by name, coded for all models, shape (n, width); errors as of `Coder.matrix`."""
        coded = self._coder.matrix(columns)
        if not self._apart:
            return coded
        wide = np.full((len(coded), self.width), np.nan)
        wide[:, : coded.shape[1]] = coded
        return wide

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
    def _features(self) -> dict[tuple[str, tuple[str, ...] | None], Feature]:
        models = (*self.models.values(), *self.others.values())
        return {(f.name, f.levels): f for model in models for f in model.features}

    @cached_property
    def _coder(self) -> Coder:
        return Coder("models", tuple(f for f in self._features.values() if f.name not in self.apart))

    @cached_property
    def _apart(self) -> tuple[Feature, ...]:
        return tuple(f for f in self._features.values() if f.name in self.apart)

    @cached_property
    def _places(self) -> dict[str, NDArray[np.intp]]:
        """Model -> where its features stand in a coded row."""
        place = {(f.name, f.levels): i for i, f in enumerate((*self._coder.features, *self._apart))}
        return {
            name: np.array([place[f.name, f.levels] for f in model.features], dtype=np.intp)
            for name, model in {**self.models, **self.others}.items()
        }

    @cached_property
    def _forest(self) -> Forest:
        parts = [(model.forest, self._places[name].tolist()) for name, model in self.models.items()]
        return together(parts, self.width)

    @cached_property
    def _lines(self) -> Lines:
        return lines_together([(model.lines, model.forest.outputs) for model in self.models.values()])
