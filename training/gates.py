"""Champion against challenger: what a model must show on its out-of-time test to be promoted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from training.evaluate import Metrics
from training.fit import TOTAL
from training.segments import JUDGED_POSITIVES, Slices
from training.specs import Gates, ModelSpec

__all__ = ["MAX_AGE_DAYS", "Check", "Verdict", "failing", "judge"]

MAX_AGE_DAYS = 400
"""A challenger whose newest outcomes became known longer ago than this has missed a whole year."""

_ERRORS = 2.0
"""A calibration slope is refused when its range is missed by more than so many standard errors."""

_SLICE_AUC = 0.5
_SLICE_RATIO = (0.5, 2.0)

_Measures = Mapping[str, float]


@dataclass(frozen=True)
class Check:
    """One gate and what it found; `head` is empty where the whole model is meant."""

    head: str
    gate: str
    measured: str
    bound: str
    passed: bool

    def __str__(self) -> str:
        head = f"{self.head}: " if self.head else ""
        return f"{head}{self.gate} {self.measured}, must be {self.bound}"


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
        The probabilities slice by slice (`training.segments`).
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


def _head(spec: ModelSpec, name: str, m: _Measures, slices: Slices) -> list[Check]:
    gates = spec.gates
    if spec.name == "value":
        return [
            _at_least(name, "rows in the test", m.get("rows", 0), gates.min_positives, 0),
            *_discrimination(name, "normalised Gini", m.get("gini"), gates),
            _between(name, "share of the test within P10 to P90", m.get("coverage"), gates.coverage),
            _slope(name, m, gates),
        ]
    return [
        _at_least(name, "positives in the test", m.get("positives", 0), gates.min_positives, 0),
        *_discrimination(name, "AUC", m.get("auc"), gates),
        _lone(name, m, gates),
        _slope(name, m, gates),
        *_slices(name, slices.get(name, {})),
    ]


def _discrimination(name: str, word: str, found: float | None, gates: Gates) -> Iterable[Check]:
    if found is None:
        return [Check(name, word, "not defined on the test", f"at least {gates.min_auc}", False)]
    leak = f"at most {gates.max_auc}, else taken for a leak"
    return [
        _at_least(name, word, found, gates.min_auc, 4),
        Check(name, word, f"{found:.4f}", leak, found <= gates.max_auc),
    ]


def _lone(name: str, m: _Measures, gates: Gates) -> Check:
    found = m.get("lone_auc", 0.0)
    bound = f"at most {gates.max_lone_auc}, else it gives the outcome away"
    return Check(name, "AUC of one feature alone", f"{found:.4f}", bound, found <= gates.max_lone_auc)


def _slope(name: str, m: _Measures, gates: Gates) -> Check:
    slope, (low, high) = m.get("calibration_slope"), gates.slope
    gate, bound = "calibration slope", f"{low} to {high}, or two standard errors off"
    if slope is None:
        return Check(name, gate, "not defined on the test", bound, False)
    room = _ERRORS * m.get("calibration_slope_error", 0.0)
    measured = f"{slope:.2f} ± {room:.2f} (two standard errors)"
    return Check(name, gate, measured, bound, low - room <= slope <= high + room)


def _slices(name: str, found: Mapping[str, _Measures]) -> list[Check]:
    """One line for each slice that fails, and one for all that pass a bound."""
    low, high = _SLICE_RATIO
    aucs = {s: m["auc"] for s, m in found.items() if "auc" in m}
    ratios = {s: m["observed_to_expected"] for s, m in found.items() if "observed_to_expected" in m}
    wrong = {s: f"{auc:.3f}" for s, auc in aucs.items() if auc < _SLICE_AUC}
    off = {s: f"{ratio:.2f}" for s, ratio in ratios.items() if not low <= ratio <= high}
    checks = []
    for gate, values, missed, bound in (
        ("AUC", aucs, wrong, f"at least {_SLICE_AUC}"),
        ("observed to expected", ratios, off, f"{low} to {high}"),
    ):
        checks += [Check(name, f"{gate} where {s}", value, bound, False) for s, value in missed.items()]
        if values and not missed:
            gate = f"{gate} in {len(values)} slices of {JUDGED_POSITIVES} positives or more"
            measured = f"{min(values.values()):.2f} to {max(values.values()):.2f}"
            checks.append(Check(name, gate, measured, bound, True))
    return checks


def _beside(spec: ModelSpec, challenger: Metrics, champion: Metrics) -> list[Check]:
    """The challenger beside the champion on the same test rows."""
    measure = "gini" if spec.name == "value" else "auc"
    checks = []
    for name in judged_heads(spec, champion):
        if name not in challenger:
            bound = "answered for, as the champion does"
            checks.append(Check(name, "the challenger's answer", "missing", bound, False))
            continue
        mine, theirs = challenger[name].get(measure, 0.0), champion[name].get(measure, 0.0)
        floor = theirs - spec.gates.max_loss
        bound = f"at least {floor:.4f}: the champion reaches {theirs:.4f} on the same rows"
        checks.append(Check(name, f"{measure} beside the champion", f"{mine:.4f}", bound, mine >= floor))
    return checks


def _at_least(name: str, gate: str, found: float, floor: float, digits: int) -> Check:
    return Check(name, gate, f"{found:.{digits}f}", f"at least {floor}", found >= floor)


def _between(name: str, gate: str, found: float | None, bounds: tuple[float, float]) -> Check:
    low, high = bounds
    measured = "not defined on the test" if found is None else f"{found:.3f}"
    return Check(name, gate, measured, f"{low} to {high}", found is not None and low <= found <= high)


def _summary(spec: ModelSpec, name: str, m: _Measures) -> str:
    slope, (low, high) = m["calibration_slope"], spec.gates.slope
    chance = "" if low <= slope <= high else f" (outside {low} to {high}, by no more than chance)"
    if spec.name == "value":
        told = f"Gini {m['gini']:.3f}, bias {m['bias']:+.1%}, P10-P90 covers {m['coverage']:.1%}"
        return f"{name}: {told}, calibration slope {slope:.2f}{chance}"
    return (
        f"{name}: AUC {m['auc']:.3f}, lift {m['lift_10']:.1f} in the top decile, "
        f"calibration slope {slope:.2f}{chance}, {m['positives']:.0f} positives"
    )
