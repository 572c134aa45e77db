"""A run as flat strings and numbers, which is all that a tracking server can hold."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.artifact import Model
from training.lineage import code_version

if TYPE_CHECKING:
    from training.evaluate import Evaluation
    from training.fit import Fitted
    from training.specs import ModelSpec

__all__ = ["flat", "nested", "params_of", "signature_of", "tags_of"]


def params_of(spec: "ModelSpec", fitted: "Fitted") -> dict[str, str]:
    """What a run was asked to do and on how much: parameter -> text."""
    training = fitted.model.training
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
    }


def tags_of(fitted: "Fitted", evaluation: "Evaluation") -> dict[str, str]:
    """Which data and which code made the model, and the strongest single feature of each head."""
    training = fitted.model.training
    return {
        "data_fingerprint": training["fingerprint"],
        "lightgbm": training["lightgbm"],
        **{
            f"lone_feature.{head.name}": head.lone_feature for head in evaluation.heads if head.lone_feature
        },
        **code_version(Path(__file__).parents[1]),
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
