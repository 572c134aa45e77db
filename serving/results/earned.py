"""What one arm of a campaign earned against another: everybody who was drawn into either counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.errors import RefusedError
from serving.results.comparison import (
    Power,
    newcombe_difference,
    power_of,
    sample_ratio_p_value,
    welch_difference,
)
from serving.results.followed import Followed
from training.estimate import Estimate

__all__ = ["Earned", "compare"]

_FEW = 5
_SUMS = {
    **dict.fromkeys(("profit", "cost"), "sum"),
    **dict.fromkeys(("taken", "complained", "opted_out"), "max"),
    **dict.fromkeys(("arm", "arm_probability"), "first"),
}


@dataclass(frozen=True)
class Earned:
    """One arm of a campaign against another, by intention to treat; money in major units of `currency`.

    target, control
        Customers drawn into `arm`, and into `against`, contacted or not.
    difference
        Of the shares that took something up, with Newcombe's 95% interval.
    incremental_takers
        `difference` times `target`: takers that would not have come by themselves.
    contacts, contact_cost
        Of the target: decisions that were acted on, and what they cost with incentives.
    profit
        Mean profit of a customer in `arm` less that in `against`, times `target`, with Welch's 95%
        interval; a customer's profit is what was bought, less what left, less the costs.
    sample_ratio_p
        P-value that the arms' sizes follow the planned chances.
    rate_power, profit_power
        What these sizes can find, of the difference in takers and in profit a customer.
    early, late
        Outcomes from before their decision and from after its window; they do not count.
    cautions
        Why the numbers should not be trusted, in words.
    """

    campaign: str
    arm: str
    against: str
    product: str
    models: tuple[str, ...]
    as_of: str
    currency: str
    window_days: int
    target: int
    target_takers: int
    target_rate: float
    control: int
    control_takers: int
    control_rate: float
    difference: float
    difference_low: float
    difference_high: float
    incremental_takers: float
    contacts: int
    contact_cost: float
    complaints: int
    opt_outs: int
    control_complaints: int
    control_opt_outs: int
    profit: float
    profit_low: float
    profit_high: float
    sample_ratio_p: float
    rate_power: Power
    profit_power: Power
    early: int
    late: int
    outcomes_until: str
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        powers = {name: getattr(self, name)._asdict() for name in ("rate_power", "profit_power")}
        return asdict(self) | powers


def compare(rows: Followed, arm: str, against: str, untimely: Mapping[str, int]) -> Earned:
    """One arm of a campaign against another.

    Parameters
    ----------
    rows
        Of one campaign, from `followed`.
    untimely
        How many outcomes were "early" and "late".

    Raises
    ------
    RefusedError
        If one of the two arms is empty.
    """
    drawn = rows[rows["arm"].isin((arm, against))]
    people = drawn.groupby("customer_id").agg(_SUMS) if drawn["customer_id"].duplicated().any() else drawn
    a, b = people[people["arm"] == arm], people[people["arm"] == against]
    name, treated = str(rows["campaign"].iat[0]), rows[rows["arm"] == arm]
    if a.empty or b.empty:
        raise RefusedError(
            f"campaign '{name}' has {len(a)} {arm} and {len(b)} {against} customers, nothing can be "
            "compared; cure: draw more customers into both"
        )
    taken = [int(group["taken"].sum()) for group in (a, b)]
    difference = newcombe_difference(taken[0], len(a), taken[1], len(b))
    each = welch_difference(_floats(a, "profit"), _floats(b, "profit"))
    share = float(a["arm_probability"].mean()), float(b["arm_probability"].mean())
    ratio = sample_ratio_p_value(len(a), len(b), share[0] / sum(share))
    timing = {flag: untimely.get(flag, 0) for flag in ("early", "late")}
    return Earned(
        campaign=name,
        arm=arm,
        against=against,
        product=_only(treated["product"]),
        models=tuple(sorted(treated["models"].unique())),
        as_of=str(rows["as_of"].max()),
        currency=str(rows["currency"].iat[0]),
        window_days=int(rows["window_days"].max()),
        target=len(a),
        target_takers=taken[0],
        target_rate=taken[0] / len(a),
        control=len(b),
        control_takers=taken[1],
        control_rate=taken[1] / len(b),
        **_ends("difference", difference, 1),
        incremental_takers=difference.point * len(a),
        contacts=int(treated["action"].ne("").sum()),
        **_sums(a, b),
        **_ends("profit", each, len(a)),
        sample_ratio_p=ratio,
        rate_power=_power(a, b, "taken"),
        profit_power=_power(a, b, "profit"),
        **timing,
        outcomes_until=str(rows["known_at"].dropna().max()),
        cautions=_cautions(ratio, min(taken), int(drawn["open"].sum()), **timing),
    )


def _sums(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, Any]:
    return {
        "contact_cost": float(a["cost"].sum()),
        "complaints": int(a["complained"].sum()),
        "opt_outs": int(a["opted_out"].sum()),
        "control_complaints": int(b["complained"].sum()),
        "control_opt_outs": int(b["opted_out"].sum()),
    }


def _ends(name: str, each: Estimate, times: int) -> dict[str, Any]:
    return {name: each.point * times, f"{name}_low": each.low * times, f"{name}_high": each.high * times}


def _power(a: pd.DataFrame, b: pd.DataFrame, name: str) -> Power:
    x, y = _floats(a, name), _floats(b, name)
    return power_of(float(x.mean() - y.mean()), float(x.std()), len(x), float(y.std()), len(y))


def _floats(frame: pd.DataFrame, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return frame[name].to_numpy(dtype=np.float64)


def _only(values: pd.Series) -> str:
    """The one value, "" where there are several."""
    found = values.unique()
    return str(found[0]) if len(found) == 1 else ""


def _cautions(ratio: float, fewest: int, unfinished: int, early: int, late: int) -> tuple[str, ...]:
    said = []
    if ratio < 0.001:
        said.append(f"the arms are not as planned (p = {ratio:.1g}): do not trust this")
    if fewest < _FEW:
        said.append(f"only {fewest} in one of the groups took it up: the profit's interval is rough")
    if unfinished:
        said.append(f"the windows of {unfinished:,} decisions go on after the last outcome: more may come")
    if early:
        said.append(f"{early:,} outcomes came before their decision and do not count")
    if late:
        said.append(f"{late:,} outcomes came after their window and do not count")
    return tuple(said)
