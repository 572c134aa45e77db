"""Champion against challenger: what a model must show on its out-of-time test to be promoted."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.evaluate import Metrics
from training.fit import TOTAL
from training.specs import Gates, ModelSpec

__all__ = ["Verdict", "failing", "judge"]

_ERRORS = 2.0
"""A calibration slope is refused when its range is missed by more than so many standard errors."""


@dataclass(frozen=True)
class Verdict:
    """Whether to promote; `reasons` says what speaks against it, or what was kept."""

    promote: bool
    reasons: tuple[str, ...]


def judge(spec: ModelSpec, challenger: Metrics, champion: Metrics | None) -> Verdict:
    """Judge a challenger by its stored metrics, and by the champion's on the same test rows.

    Without a champion the bounds of the spec alone decide; the first champion must keep them too.
    """
    against = [reason for reasons in failing(spec, challenger).values() for reason in reasons]
    if not judged_heads(spec, challenger):
        against.append("no head that could be judged")
    against += _worse(spec, challenger, champion or {})
    if against:
        return Verdict(False, tuple(against))
    kept = tuple(_summary(spec, name, challenger[name]) for name in judged_heads(spec, challenger))
    return Verdict(True, kept)


def failing(spec: ModelSpec, metrics: Metrics) -> dict[str, tuple[str, ...]]:
    """Heads that miss a bound of the spec, with the reasons; what a champion shows is not asked."""
    check = _amount if spec.name == "value" else _probability
    found = {name: check(name, metrics[name], spec.gates) for name in judged_heads(spec, metrics)}
    return {name: tuple(reasons) for name, reasons in found.items() if reasons}


def judged_heads(spec: ModelSpec, metrics: Metrics) -> list[str]:
    """The heads that decide: every probability, and of the value model the sum of its parts."""
    return [name for name in metrics if spec.name != "value" or name == TOTAL]


def _probability(name: str, m: Mapping[str, float], gates: Gates) -> list[str]:
    reasons = []
    if m.get("positives", 0) < gates.min_positives:
        reasons.append(
            f"{name}: {m.get('positives', 0):.0f} positives in the test, {gates.min_positives} needed"
        )
    reasons += _discrimination(name, "AUC", m.get("auc"), gates)
    if m.get("auc", 0) > gates.max_auc:
        reasons.append(
            f"{name}: AUC {m['auc']:.4f} above {gates.max_auc}: taken for a leak, not for a success"
        )
    if m.get("lone_auc", 0) > gates.max_lone_auc:
        reasons.append(
            f"{name}: one feature alone reaches AUC {m['lone_auc']:.4f}, above {gates.max_lone_auc}: "
            "it gives the outcome away"
        )
    return reasons + _slope(name, m, gates)


def _amount(name: str, m: Mapping[str, float], gates: Gates) -> list[str]:
    reasons = []
    if m.get("rows", 0) < gates.min_positives:
        reasons.append(f"{name}: {m.get('rows', 0):.0f} rows in the test, {gates.min_positives} needed")
    reasons += _discrimination(name, "normalised Gini", m.get("gini"), gates)
    low, high = gates.coverage
    if not low <= m.get("coverage", -1) <= high:
        reasons.append(
            f"{name}: P10-P90 covers {m.get('coverage', 0):.2f} of the test, not {low} to {high}"
        )
    return reasons + _slope(name, m, gates)


def _discrimination(name: str, word: str, found: float | None, gates: Gates) -> list[str]:
    if found is None:
        return [f"{name}: {word} is not defined on the test"]
    return [f"{name}: {word} {found:.3f} below the floor {gates.min_auc}"] if found < gates.min_auc else []


def _slope(name: str, m: Mapping[str, float], gates: Gates) -> list[str]:
    slope, (low, high) = m.get("calibration_slope"), gates.slope
    if slope is None:
        return [f"{name}: calibration slope is not defined on the test"]
    room = _ERRORS * m.get("calibration_slope_error", 0.0)
    if low - room <= slope <= high + room:
        return []
    return [f"{name}: calibration slope {slope:.2f} outside {low} to {high} by more than chance"]


def _worse(spec: ModelSpec, challenger: Metrics, champion: Metrics) -> list[str]:
    measure = "gini" if spec.name == "value" else "auc"
    reasons = []
    for name in judged_heads(spec, champion):
        if name not in challenger:
            reasons.append(f"{name}: the champion answers for it, the challenger does not")
            continue
        mine, theirs = challenger[name].get(measure, 0.0), champion[name].get(measure, 0.0)
        if mine < theirs - spec.gates.max_loss:
            reasons.append(
                f"{name}: {measure} {mine:.3f} is more than {spec.gates.max_loss} below "
                f"the champion's {theirs:.3f} on the same rows"
            )
    return reasons


def _summary(spec: ModelSpec, name: str, m: Mapping[str, float]) -> str:
    if spec.name == "value":
        return f"{name}: Gini {m['gini']:.3f}, bias {m['bias']:+.1%}, P10-P90 covers {m['coverage']:.1%}"
    return (
        f"{name}: AUC {m['auc']:.3f}, lift {m['lift_10']:.1f} in the top decile, "
        f"calibration slope {m['calibration_slope']:.2f}, {m['positives']:.0f} positives"
    )
