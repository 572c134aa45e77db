"""Champion against challenger: what a model must show on its out-of-time test to be promoted.

A product that is pooled with the others (`training.pooled`) is not asked for discrimination of its own,
which few takers cannot show; it must expect about as many takers as there were.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from training.checks import (
    Check,
    Measures,
    amount_by_slice,
    at_least,
    between,
    by_slice,
    discrimination,
    level,
    lone,
    no_leak,
    no_worse,
    slope,
)
from training.evaluate import Metrics
from training.fit import TOTAL
from training.slices import Slices
from training.specs import CONTACT_MODELS, Gates, ModelSpec
from training.uplift.gates import uplift_checks, uplift_summary

__all__ = ["MAX_AGE_DAYS", "Check", "Verdict", "failing", "judge"]

MAX_AGE_DAYS = 400
"""A challenger whose newest outcomes became known longer ago than this has missed a whole year."""


@dataclass(frozen=True)
class Verdict:
    """Whether to promote.

    reasons
        What speaks against it, or what was kept, in words.
    checks
        Every gate with what was measured, its bound, and whether it was passed.
    """

    promote: bool
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()


def judge(
    spec: ModelSpec,
    challenger: Metrics,
    champion: Metrics | None,
    *,
    slices: Slices | None = None,
    age_days: int | None = None,
) -> Verdict:
    """Judge a challenger by its stored metrics, and by the champion's on the same test rows.

    Without a champion the bounds of the spec alone decide; the first champion must keep them too.

    Parameters
    ----------
    slices
        The answers slice by slice (`training.slices`).
    age_days
        Days since the outcomes that it was tested on were known; None where there is no present
        to hold it against.
    """
    heads = judged_heads(spec, challenger)
    checks = [c for name in heads for c in _head(spec, name, challenger[name], slices or {})]
    if not heads:
        checks.append(Check("", "heads that could be judged", "0", "at least 1", False))
    if age_days is not None:
        gate, bound = "days since its newest outcomes were known", f"at most {MAX_AGE_DAYS}"
        checks.append(Check("", gate, str(age_days), bound, age_days <= MAX_AGE_DAYS))
    checks += _beside(spec, challenger, champion or {})
    against = tuple(str(check) for check in checks if not check.passed)
    kept = tuple(_summary(spec, name, challenger[name]) for name in heads) if not against else ()
    return Verdict(not against, against or kept, tuple(checks))


def failing(spec: ModelSpec, metrics: Metrics, slices: Slices | None = None) -> dict[str, tuple[str, ...]]:
    """Heads that miss a bound of the spec, with the reasons; what a champion shows is not asked."""
    found = {name: _head(spec, name, metrics[name], slices or {}) for name in judged_heads(spec, metrics)}
    missed = {name: tuple(str(c) for c in checks if not c.passed) for name, checks in found.items()}
    return {name: reasons for name, reasons in missed.items() if reasons}


def judged_heads(spec: ModelSpec, metrics: Metrics) -> list[str]:
    """The heads that decide: every probability, and of the value model the sum of its parts."""
    return [name for name in metrics if spec.name != "value" or name == TOTAL]


def _head(spec: ModelSpec, name: str, m: Measures, slices: Slices) -> list[Check]:
    gates = spec.gates
    if spec.name in CONTACT_MODELS:
        return uplift_checks(name, m, gates)
    if spec.name == "margin":
        return [no_worse(name, m)]
    if spec.name == "value":
        return [
            at_least(name, "rows in the test", m.get("rows", 0), gates.min_positives, 0),
            *discrimination(name, "normalised Gini", m.get("gini"), gates),
            between(name, "share of the test within P10 to P90", m.get("coverage"), gates.coverage),
            slope(name, m, gates),
            *amount_by_slice(name, slices.get(name, {})),
        ]
    if m.get("pooled"):
        return _pooled(name, m, gates, slices.get(name, {}))
    return [
        at_least(name, "positives in the test", m.get("positives", 0), gates.min_positives, 0),
        *discrimination(name, "AUC", m.get("auc"), gates),
        lone(name, m, gates),
        slope(name, m, gates),
        *by_slice(name, slices.get(name, {})),
    ]


def _pooled(name: str, m: Measures, gates: Gates, slices: Mapping[str, Measures]) -> list[Check]:
    """What a pooled product must show: its level always, the rest where it has takers enough."""
    checks = [level(name, m)]
    if m.get("positives", 0) < gates.min_positives:
        return checks
    ratios = {s: {k: v for k, v in found.items() if k != "auc"} for s, found in slices.items()}
    return [
        *checks,
        no_leak(name, "AUC", m.get("auc", 0.0), gates),
        lone(name, m, gates),
        slope(name, m, gates),
        *by_slice(name, ratios),
    ]


def _beside(spec: ModelSpec, challenger: Metrics, champion: Metrics) -> list[Check]:
    """The challenger beside the champion on the same test rows."""
    if spec.name == "margin" or spec.name in CONTACT_MODELS:
        return []  # the champion has seen the rows that the challenger was held apart from
    measure = "gini" if spec.name == "value" else "auc"
    checks = []
    for name in judged_heads(spec, champion):
        if name not in challenger:
            bound = "answered for, as the champion does"
            checks.append(Check(name, "the challenger's answer", "missing", bound, False))
            continue
        if champion[name].get("positives", math.inf) < spec.gates.min_positives:
            continue  # so few takers rank by chance
        mine, theirs = challenger[name].get(measure, 0.0), champion[name].get(measure, 0.0)
        floor = theirs - spec.gates.max_loss
        bound = f"at least {floor:.4f}: the champion reaches {theirs:.4f} on the same rows"
        checks.append(Check(name, f"{measure} beside the champion", f"{mine:.4f}", bound, mine >= floor))
    return checks


def _summary(spec: ModelSpec, name: str, m: Measures) -> str:
    if spec.name in CONTACT_MODELS:
        return uplift_summary(name, m)
    if spec.name == "margin":
        return f"{name}: {no_worse(name, m).measured}"
    if m.get("pooled"):
        return f"{name}: pooled with the other products, {level(name, m).measured}"
    line, (low, high) = m["calibration_slope"], spec.gates.slope
    chance = "" if low <= line <= high else f" (outside {low} to {high}, by no more than chance)"
    if spec.name == "value":
        told = f"Gini {m['gini']:.3f}, bias {m['bias']:+.1%}, P10-P90 covers {m['coverage']:.1%}"
        return f"{name}: {told}, calibration slope {line:.2f}{chance}"
    return (
        f"{name}: AUC {m['auc']:.3f}, lift {m['lift_10']:.1f} in the top decile, "
        f"calibration slope {line:.2f}{chance}, {m['positives']:.0f} positives"
    )
