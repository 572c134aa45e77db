"""Single gates: what was measured, its bound in words, and whether it was passed."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import poisson

from training.slices import JUDGED_POSITIVES, JUDGED_ROWS
from training.specs import Gates

__all__ = [
    "ERRORS",
    "Check",
    "Measures",
    "amount_by_slice",
    "at_least",
    "between",
    "by_slice",
    "discrimination",
    "level",
    "lone",
    "no_leak",
    "no_worse",
    "slope",
]

Measures = Mapping[str, float]

ERRORS = 2.0
"""A calibration slope is refused when its range is missed by more than so many standard errors."""

_SLICE_AUC = 0.5
_RATIO = (0.5, 2.0)
"""Observed to expected: of a slice, and of a pooled product beyond what chance explains."""

_CHANCE = 0.9545
"""The range of a count that chance explains: as wide as two standard errors."""

_SLICE_BIAS = 0.25


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


def discrimination(name: str, word: str, found: float | None, gates: Gates) -> list[Check]:
    """AUC or Gini between the floor and what a leak would show."""
    if found is None:
        return [Check(name, word, "not defined on the test", f"at least {gates.min_auc}", False)]
    return [at_least(name, word, found, gates.min_auc, 4), no_leak(name, word, found, gates)]


def no_leak(name: str, word: str, found: float, gates: Gates) -> Check:
    """Discrimination that is not too good to be true."""
    leak = f"at most {gates.max_auc}, else taken for a leak"
    return Check(name, word, f"{found:.4f}", leak, found <= gates.max_auc)


def no_worse(name: str, m: Measures) -> Check:
    """An amount that errs no more than its mean does; a head that answers the mean errs as much."""
    gate, bound = "squared error beside that of the mean", "at most 1, or the mean for everybody"
    if m.get("constant"):
        return Check(name, gate, f"the mean, {m['learned_mean']:.2f}, for everybody", bound, True)
    found = m.get("loss_beside_mean")
    measured = "no taker in the test" if found is None else f"{found:.3f} of {m['rows']:.0f} takers"
    return Check(name, gate, measured, bound, found is not None and found <= 1.0)


def lone(name: str, m: Measures, gates: Gates) -> Check:
    """No feature that gives the outcome away."""
    found = m.get("lone_auc", 0.0)
    bound = f"at most {gates.max_lone_auc}, else it gives the outcome away"
    return Check(name, "AUC of one feature alone", f"{found:.4f}", bound, found <= gates.max_lone_auc)


def slope(name: str, m: Measures, gates: Gates) -> Check:
    """A calibration slope in its range, give or take two standard errors."""
    found, (low, high) = m.get("calibration_slope"), gates.slope
    gate, bound = "calibration slope", f"{low} to {high}, or two standard errors off"
    if found is None:
        return Check(name, gate, "not defined on the test", bound, False)
    room = ERRORS * m.get("calibration_slope_error", 0.0)
    measured = f"{found:.2f} ± {room:.2f} (two standard errors)"
    return Check(name, gate, measured, bound, low - room <= found <= high + room)


def level(name: str, m: Measures) -> Check:
    """As many takers as expected, by a factor or as far as a Poisson count of so many varies."""
    found, expected, (low, high) = m.get("positives", 0.0), m.get("expected", 0.0), _RATIO
    fewest, most = (float(end) for end in poisson.interval(_CHANCE, expected))
    passed = min(low * expected, fewest) <= found <= max(high * expected, most)
    measured = f"{found:.0f} took it, {expected:.1f} expected"
    chance = f"no further off than chance ({fewest:.0f} to {most:.0f})"
    bound = f"{low} to {high} times as many as expected, or {chance}"
    return Check(name, "takers of a pooled product", measured, bound, passed)


def by_slice(name: str, found: Mapping[str, Measures]) -> list[Check]:
    """One line for each slice that fails, and one for all that pass a bound."""
    low, high = _RATIO
    aucs = {s: m["auc"] for s, m in found.items() if "auc" in m}
    ratios = {s: m["observed_to_expected"] for s, m in found.items() if "observed_to_expected" in m}
    wrong = {s: f"{auc:.3f}" for s, auc in aucs.items() if auc < _SLICE_AUC}
    # With many small slices one lies beyond a bound by chance alone: only a whole interval counts.
    off = {
        s: f"{ratio:.2f}"
        for s, ratio in ratios.items()
        if found[s].get("observed_to_expected_low", ratio) > high
        or found[s].get("observed_to_expected_high", ratio) < low
    }
    checks = []
    for gate, values, missed, bound in (
        ("AUC", aucs, wrong, f"at least {_SLICE_AUC}"),
        ("observed to expected", ratios, off, f"{low} to {high}, or its 95% interval off"),
    ):
        checks += [Check(name, f"{gate} where {s}", value, bound, False) for s, value in missed.items()]
        if values and not missed:
            gate = f"{gate} in {len(values)} slices of {JUDGED_POSITIVES} positives or more"
            measured = f"{min(values.values()):.2f} to {max(values.values()):.2f}"
            checks.append(Check(name, gate, measured, bound, True))
    return checks


def amount_by_slice(name: str, found: Mapping[str, Measures]) -> list[Check]:
    """One line for each slice whose whole interval lies beyond the bound, and one for all that pass."""
    biased = {s: m for s, m in found.items() if {"bias", "bias_low", "bias_high"} <= set(m)}
    missed = {s for s, m in biased.items() if m["bias_low"] > _SLICE_BIAS or m["bias_high"] < -_SLICE_BIAS}
    bound = f"within {_SLICE_BIAS:.0%} of what such customers bring, or its 95% interval off"
    checks = [
        Check(
            *(name, f"bias where {s}"),
            f"{m['bias']:+.1%} ({m['bias_low']:+.1%} to {m['bias_high']:+.1%})",
            *(bound, False),
        )
        for s, m in biased.items()
        if s in missed
    ]
    if biased and not missed:
        gate = f"bias in {len(biased)} slices of {JUDGED_ROWS} customers or more"
        ends = [m["bias"] for m in biased.values()]
        checks.append(Check(name, gate, f"{min(ends):+.1%} to {max(ends):+.1%}", bound, True))
    return checks


def at_least(name: str, gate: str, found: float, floor: float, digits: int) -> Check:
    """A floor."""
    return Check(name, gate, f"{found:.{digits}f}", f"at least {floor}", found >= floor)


def between(name: str, gate: str, found: float | None, bounds: tuple[float, float]) -> Check:
    """A range."""
    low, high = bounds
    measured = "not defined on the test" if found is None else f"{found:.3f}"
    return Check(name, gate, measured, f"{low} to {high}", found is not None and low <= found <= high)
