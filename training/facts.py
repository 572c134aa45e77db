"""A run as files, flat strings and numbers, which is all that a tracking server can hold."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.artifact import Model, save_model
from training.versions.bundle import FACTS, RECIPE, SLICES
from training.versions.sealed import json_bytes

if TYPE_CHECKING:
    from training.evaluate import Evaluation
    from training.fit import Fitted
    from training.slices import Slices
    from training.versions.champions import ModelVersion
    from training.versions.recipe import Recipe

__all__ = [
    "AGAINST",
    "PRODUCTS",
    "bundle_files",
    "flat",
    "nested",
    "params_of",
    "signature_of",
    "tags_of",
]

AGAINST = "champion/"
"""Prefix of the champion's figures on the challenger's test rows."""

PRODUCTS = "products/"
"""Prefix of figures over all products together, which are no head's."""


def bundle_files(
    recipe: "Recipe",
    fitted: "Fitted",
    evaluation: "Evaluation",
    slices: "Slices",
    plots: Path,
    *,
    against: "tuple[ModelVersion, Evaluation] | None",
    who: str,
) -> dict[str, bytes]:
    """Everything that the tracking server is to hold of a run: relative path -> bytes.

    Parameters
    ----------
    plots
        Folder of figures and pages.
    against
        The champion, and its evaluation on the same test rows; None if there is nothing to
        compare with.
    who
        Who trained; empty if nobody is named.
    """
    numbers, tags = flat(evaluation.metrics), tags_of(recipe, fitted, evaluation)
    if recipe.spec.name == "propensity":
        # It brings the training libraries, which serving goes without.
        from training.added import product_metrics

        numbers |= flat(product_metrics(evaluation), PRODUCTS)
    tags |= {"champion_version": str(against[0].version) if against else "", "trained_by": who}
    if against:
        numbers |= flat(against[1].metrics, AGAINST)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        sha256 = save_model(folder, fitted.model)
        files = {f"model/{name}": content for name, content in _files(folder).items()}
    files |= {f"plots/{name}": content for name, content in _files(plots).items()}
    facts = {
        "name": recipe.spec.name,
        "definition": recipe.spec.definition,
        "model_sha256": sha256,
        "params": params_of(recipe, fitted),
        "metrics": numbers,
        "tags": tags,
    }
    return files | {
        FACTS: json_bytes(facts),
        RECIPE: json_bytes(recipe.to_json()),
        SLICES: json_bytes(slices),
        "signature.json": json_bytes(signature_of(fitted.model)),
    }


def _files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def params_of(recipe: "Recipe", fitted: "Fitted") -> dict[str, str]:
    """What a run was asked to do and on how much: parameter -> text."""
    spec, training = recipe.spec, fitted.model.training
    return {
        "definition": spec.definition,
        "horizon_days": str(spec.horizon_days),
        "gap_days": str(spec.gap_days),
        "seed": str(training["seed"]),
        "snapshots": str(len(training["snapshots"])),
        "test_snapshot": training["test_snapshots"][-1],
        "rows": str(training["rows"]),
        "features": str(len(fitted.model.features)),
        **{name: str(value) for name, value in spec.params.items()},
        **{f"rows.{head}": str(rows) for head, rows in fitted.log.rows.items()},
        **{f"positives.{head}": str(found) for head, found in fitted.log.positives.items()},
        **{f"refused.{head}": reason[:500] for head, reason in fitted.log.refused.items()},
        **{f"pooled.{head}": reason[:500] for head, reason in fitted.log.pooled.items()},
    }


def tags_of(recipe: "Recipe", fitted: "Fitted", evaluation: "Evaluation") -> dict[str, str]:
    """Which data and which code made the model, and the strongest single feature of each head."""
    training = fitted.model.training
    return {
        "data_fingerprint": training["fingerprint"],
        "generation": recipe.origin.generation if recipe.origin else "",
        "lightgbm": training["lightgbm"],
        **{
            f"lone_feature.{head.name}": head.lone_feature for head in evaluation.heads if head.lone_feature
        },
        **recipe.code,
    }


def signature_of(model: Model) -> dict[str, str | None]:
    """MLflow's model signature: float64 throughout; inputs may be missing, outputs never are."""
    inputs = [{"type": "double", "name": f.name, "required": False} for f in model.features]
    outputs = [{"type": "double", "name": h.name, "required": True} for h in model.heads]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def flat(metrics: Mapping[str, Mapping[str, float]], prefix: str = "") -> dict[str, float]:
    """Head -> measure -> number as `head.measure` -> number.

    >>> flat({"churn": {"auc": 0.8}}, "champion/")
    {'champion/churn.auc': 0.8}
    """
    return {f"{prefix}{head}.{name}": number for head, m in metrics.items() for name, number in m.items()}


def nested(stored: Mapping[str, float], prefix: str = "") -> dict[str, dict[str, float]]:
    """The way back, for the keys that carry the prefix; without one, for the keys without a slash.

    >>> nested({"churn.auc": 0.8, "champion/churn.auc": 0.7}, "champion/")
    {'churn': {'auc': 0.7}}
    """
    metrics: dict[str, dict[str, float]] = {}
    for key, number in stored.items():
        if key.startswith(prefix) and "/" not in key.removeprefix(prefix):
            head, _, name = key.removeprefix(prefix).partition(".")
            metrics.setdefault(head, {})[name] = number
    return metrics
