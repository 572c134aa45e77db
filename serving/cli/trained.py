"""What training found, for the console."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from serving.cli.console import table_text

if TYPE_CHECKING:
    from training.pipeline import TrainResult

__all__ = ["gates_text", "judged", "trained_text"]


def trained_text(results: "list[TrainResult]") -> str:
    """What training found, for the console."""
    rows = [
        (f"{r.version.name}/{r.version.version}", head, _main_measure(measures), f"{measures['rows']:,.0f}")
        for r in results
        for head, measures in r.metrics.items()
    ]
    lines = [
        f"{r.version.name}/{r.version.version}: the gates "
        f"{'pass it' if r.verdict.promote else 'refuse it'}: {'; '.join(r.verdict.reasons)}"
        for r in results
    ]
    pooled = [
        f"{r.version.name}/{r.version.version}: {head} is pooled with the other products: {reason}"
        for r in results
        for head, reason in r.pooled.items()
    ]
    left_out = [
        f"{r.version.name}/{r.version.version}: no model for {head}: {reason}"
        for r in results
        for head, reason in r.refused.items()
    ]
    table = table_text(("model", "head", "measure", "test rows"), rows)
    return "\n".join((table, *lines, *pooled, *left_out))


def gates_text(results: "list[TrainResult]") -> str:
    """Every gate of every model, with what was measured."""
    rows = [
        (
            *(f"{r.version.name}/{r.version.version}", c.head, c.gate, c.measured, c.bound),
            "yes" if c.passed else "NO",
        )
        for r in results
        for c in r.verdict.checks
    ]
    return table_text(("model", "head", "gate", "measured", "bound", "passed"), rows)


def judged(result: "TrainResult") -> dict[str, Any]:
    """What training found, for JSON."""
    return {
        "metrics": result.metrics,
        "promote": result.verdict.promote,
        "reasons": result.verdict.reasons,
        "gates": [asdict(check) for check in result.verdict.checks],
        "refused": result.refused,
        "pooled": result.pooled,
    }


def _main_measure(measures: Any) -> str:
    if "qini" in measures:
        return f"effect {measures['average']:+.4f}"
    for name in ("auc", "gini", "coverage", "spearman"):
        if name in measures:
            return f"{name} {measures[name]:.3f}"
    return ""
