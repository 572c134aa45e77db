"""A model on disk: LightGBM text, JSON calibration and feature contract, every byte under a hash."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import CorruptError, InputError
from training.coding import Coder
from training.contract import Feature
from training.forest import Forest, pack, together
from training.lines import Lines
from training.versions.sealed import json_bytes, read_sealed, write_sealed

__all__ = ["Basis", "Feature", "Head", "HeadKind", "Matrix", "Model", "load_model", "save_model"]

HeadKind = Literal["probability", "amount", "quantile"]
Basis = Literal["own", "pooled"]
Matrix = NDArray[np.float64]

_FORMAT = 2


@dataclass(frozen=True)
class Head:
    """One answer of a model: a booster and the correction of its raw score.

    calibration
        `slope` and `intercept` on the logit for a probability; `shift` in the reporting
        currency for an amount or a quantile, and `scale`, a factor before it, where it has one.
    basis
        `own`: the booster learned this answer; `pooled`: one booster for several heads, each with its
        own calibration (`training.pooled`).
    """

    name: str
    kind: HeadKind
    calibration: Mapping[str, float]
    booster: lightgbm.Booster
    basis: Basis = "own"

    @property
    def file(self) -> str:
        """The head's file, relative to the artifact's folder; pooled heads have one in common."""
        return f"heads/{self.name}.txt" if self.basis == "own" else "pooled.txt"

    def raw(self, matrix: Matrix) -> Matrix:
        """Raw score of each row, shape (n,), as LightGBM's to the bit; a row answers as in any batch."""
        return pack(self.booster).raw(matrix)[:, 0]

    def calibrated(self, raw: Matrix) -> Matrix:
        """Raw scores (n,) as probabilities in [0, 1], or as amounts in the reporting currency."""
        steep, level = self.line
        answer = steep * raw + level
        return expit(answer) if self.kind == "probability" else answer

    @property
    def line(self) -> tuple[float, float]:
        """Factor and shift of a raw score: of its log-odds, or in the reporting currency."""
        if self.kind == "probability":
            return self.calibration["slope"], self.calibration["intercept"]
        return self.calibration.get("scale", 1.0), self.calibration["shift"]


@dataclass(frozen=True)
class Model:
    """A loaded model; `training` says what it was trained on (fingerprint, snapshots, rows, seed)."""

    name: str
    definition: str
    horizon_days: int
    gap_days: int
    currency: str
    features: tuple[Feature, ...]
    heads: tuple[Head, ...]
    training: Mapping[str, Any]

    @cached_property
    def files(self) -> dict[str, int]:
        """The file of every booster -> its output of `forest`; pooled heads have one in common."""
        return {file: place for place, file in enumerate(dict.fromkeys(h.file for h in self.heads))}

    @cached_property
    def forest(self) -> Forest:
        """All boosters of the model, packed: one output for each of `files`."""
        boosters = {h.file: h.booster for h in self.heads}
        everything = range(len(self.features))
        return together([(pack(b), everything) for b in boosters.values()], len(self.features))

    def head(self, name: str) -> Head:
        """The head of that name; InputError if the model has none."""
        for head in self.heads:
            if head.name == name:
                return head
        raise InputError(f"model '{self.name}': no head '{name}'; it has {[h.name for h in self.heads]}")

    def matrix(self, columns: Mapping[str, Sequence[Any]] | pd.DataFrame) -> Matrix:
        """Columns by name to the contract's order, shape (n, n_features); missing values are NaN.

        `columns` may be a DataFrame; other columns in it are ignored.

        Raises
        ------
        InputError
            If a feature's column is missing, is of another length or does not hold numbers.
        """
        return self._coder.matrix(columns)

    def predict(self, matrix: Matrix) -> dict[str, Matrix]:
        """Calibrated answers of every head, each of shape (n,), from a matrix in contract order.

        Probabilities are in [0, 1]; amounts and quantiles in the reporting currency's major
        unit. p10 never lies above p90: where the two trees cross they change places.
        """
        self._fits(matrix)
        return self.calibrated(self.forest.raw(matrix))

    def calibrated(self, raw: Matrix) -> dict[str, Matrix]:
        """The answers of `predict` from raw scores of `forest`, shape (n, outputs)."""
        table = self.lines.answers(raw)
        return {head.name: table[:, place] for place, head in enumerate(self.heads)}

    def contributions(self, head: str, matrix: Matrix) -> Matrix:
        """Exact Shapley contributions (TreeSHAP, Lundberg 2018) to a head's raw score.

        Shape (n, n_features), in log-odds for a probability, else in the reporting currency;
        the bias is dropped, so a row sums to its raw score less the head's average.
        """
        self._fits(matrix)
        return self.forest.contributions(matrix, self.files[self.head(head).file])

    @cached_property
    def _coder(self) -> Coder:
        return Coder(f"model '{self.name}'", self.features)

    @cached_property
    def lines(self) -> Lines:
        """How the heads answer, in their order; p10 never lies above p90."""
        names = [head.name for head in self.heads]
        quantiles = [[names.index("p10"), names.index("p90")]] if {"p10", "p90"} <= set(names) else []
        steep, level = np.array([head.line for head in self.heads], dtype=np.float64).reshape(-1, 2).T
        return Lines(
            np.array([self.files[head.file] for head in self.heads], dtype=np.int64),
            np.ascontiguousarray(steep),
            np.ascontiguousarray(level),
            np.array([head.kind == "probability" for head in self.heads], dtype=np.int64),
            np.array(quantiles, dtype=np.int64).reshape(-1, 2),
        )

    def _fits(self, matrix: Matrix) -> None:
        if matrix.ndim != 2 or matrix.shape[1] != len(self.features):
            raise InputError(
                f"model '{self.name}': a matrix of {matrix.shape}, not (n, {len(self.features)}); "
                "cure: build it with Model.matrix"
            )


def save_model(folder: Path, model: Model) -> str:
    """Write the artifact whole and return its SHA-256 (of manifest.json's bytes).

    The same model gives the same bytes, whatever the number of threads it was trained with.

    Raises
    ------
    InputError
        If a head's name cannot be a file's name.
    """
    for head in model.heads:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", head.name):
            raise InputError(f"head '{head.name}': letters, digits, _ and - only; cure: rename the product")
    files = {head.file: _text(head.booster).encode() for head in model.heads}
    files["model.json"] = json_bytes(_describe(model))
    return write_sealed(folder, files)


def load_model(folder: Path, expected_sha256: str) -> Model:
    """Read an artifact; each file is hashed before LightGBM sees a byte of it.

    A truncated LightGBM text kills the process rather than raising, and most flipped bytes
    load silently, so nothing is parsed before everything is verified.

    Raises
    ------
    CorruptError
        If a file is missing, not listed or not as written, or the manifest is not the expected one.
    """
    files = read_sealed(folder, expected_sha256)
    about = json.loads(files["model.json"])
    if about["format"] != _FORMAT:
        raise CorruptError(
            f"{folder}: format {about['format']}, this version reads {_FORMAT}; cure: train again"
        )
    features = tuple(
        Feature(**{**f, "levels": None if f["levels"] is None else tuple(f["levels"])})
        for f in about["features"]
    )
    texts = dict.fromkeys(h["file"] for h in about["heads"])
    boosters = {file: lightgbm.Booster(model_str=files[file].decode()) for file in texts}
    heads = tuple(
        Head(h["name"], h["kind"], h["calibration"], boosters[h["file"]], h["basis"])
        for h in about["heads"]
    )
    keys = ("definition", "horizon_days", "gap_days", "currency", "training")
    return Model(name=about["model"], features=features, heads=heads, **{key: about[key] for key in keys})


def _describe(model: Model) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "model": model.name,
        "definition": model.definition,
        "horizon_days": model.horizon_days,
        "gap_days": model.gap_days,
        "currency": model.currency,
        "features": [asdict(feature) for feature in model.features],
        "heads": [
            {
                "name": h.name,
                "kind": h.kind,
                "file": h.file,
                "calibration": dict(h.calibration),
                "basis": h.basis,
            }
            for h in model.heads
        ],
        "training": dict(model.training),
    }


def _text(booster: lightgbm.Booster) -> str:
    # LightGBM writes the number of threads into the text, though the trees do not depend on it.
    return re.sub(r"(?m)^\[num_threads: \d+\]$", "[num_threads: 1]", booster.model_to_string())
