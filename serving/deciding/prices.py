"""The prices of the last plan: what one more unit of each budget, capacity or volume is worth.

Lists and live answers rank by value minus prices, so that both spend the same money at the same margin.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import CorruptError
from features.home import Home, read_json, write_whole_json

__all__ = ["FACTORS", "PlanPrices", "read_prices", "write_prices"]

Floats = NDArray[np.float64]

FACTORS = tuple(math.exp2(step / 4) for step in range(-12, 13))
"""On a price, from an eighth to eight times, where a plan tells what would be used."""


@dataclass(frozen=True)
class PlanPrices:
    """Prices in major units of the reporting currency; rows and options by name.

    options
        The names of the options that `usage` and `group_usage` are about, in their order.
    prices, usage
        By row: what one more unit is worth (of a minimum, negative), and how many units one choice of
        each option uses.
    group_prices, group_usage
        The same of the capacity of each relationship manager, by manager; empty without one.
    spent, limits
        By row: what the whole month uses at these prices, other arms and exploration included, of what
        there is.
    customers
        Who is planned for, of all arms.
    demand
        By row: what is used of it at `FACTORS` times its price, over what is at the price itself, falling.
    contacts
        By option how many the plan makes of it, other arms and exploration included.
    kept
        By option what experiments may use of it, see `serving.deciding.room`.
    """

    plan_id: str
    as_of: str
    feature_generation: str
    catalogue: str
    policy: str
    models: Mapping[str, str]
    options: tuple[str, ...]
    prices: Mapping[str, float]
    usage: Mapping[str, Sequence[float]]
    group_prices: Mapping[str, float]
    group_usage: Sequence[float]
    spent: Mapping[str, float]
    limits: Mapping[str, float]
    value: float
    bound: float
    gap: float
    customers: int
    demand: Mapping[str, Sequence[float]]
    contacts: Sequence[int]
    kept: Sequence[float]

    def of(self, managers: Sequence[str]) -> Floats:
        """What each option's use of scarce things costs each customer, (n, options).

        Parameters
        ----------
        managers
            Each customer's manager, empty for none.
        """
        common = np.zeros(len(self.options))
        for row, price in self.prices.items():
            common += price * np.asarray(self.usage[row])
        charged = np.tile(common, (len(managers), 1))
        if self.group_prices:
            own = np.array([self.group_prices.get(name, 0.0) for name in managers])
            charged += own[:, None] * np.asarray(self.group_usage)
        return charged


def write_prices(home: Home, prices: PlanPrices) -> None:
    """Keep a plan's prices, and make them the ones that answers go by."""
    record = asdict(prices)
    write_whole_json(home.plans / f"{prices.plan_id}.json", record)
    write_whole_json(home.plans / "current.json", record)


def read_prices(home: Home) -> PlanPrices:
    """The prices of the last plan.

    Raises
    ------
    NotReadyError
        If no plan was made.
    CorruptError
        If the file is not a plan's.
    """
    path = home.plans / "current.json"
    record: dict[str, Any] = read_json(path, "run `tenure lists plan`")
    try:
        return PlanPrices(**{**record, "options": tuple(record["options"])})
    except (KeyError, TypeError):
        raise CorruptError(f"{path}: not a plan's prices; cure: run `tenure lists plan` again") from None
