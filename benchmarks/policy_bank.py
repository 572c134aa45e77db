"""What is true of a simulated bank's coming month under every option, and what a month's decisions earn.

The truth gives, for the state as it is, P(takes up) and P(leaves) of every customer under every option. A
month's true profit is the expectation by those laws,

    sum over customers: sum over products P(takes up | action) x margin of twelve months
                        - P(leaves | action) x margin of the next twelve months
                        - cost of the contact - P(accepts a waiver) x the fees it gives up;

only the state moves by chance. What contacts do later (half of the effect is left a month on, fatigue,
opting out, complaints that make people leave) comes through the state. Policies differ from the bank that
contacts nobody by the same measure. Years of one bank share all chance: they differ by the customers who
are contacted, and those they marry, alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.home import Home
from features.selling.offers import Option
from features.simulate.booking import CHANNEL
from features.simulate.contacts import WAIVED_MONTHS
from features.simulate.leaving import accept_waiver, asleep, hesitant, leave_hazard
from features.simulate.output import customer_ids
from features.simulate.stored import load_world
from features.simulate.world import CURRENT

__all__ = ["Earned", "Floats", "Ints", "Month", "carried", "earned", "later_worth", "month_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CENTS = 100
_FREE_ABOVE = 1_000 * _CENTS
_FEES = (4.90, 9.90)
"""The month's account fee of persons and of businesses, whose balance is below the line above."""

_CARRIED, _PRESSED, _WORSE = 0.5, 0.75, 0.35
"""Left of a contact's effect, and of its pressure, a month later; what pressure takes off effects."""
_HURT = 0.06
"""How much likelier a complaint makes leaving within about a year, by the laws, of an average customer."""
_PARTED = 0.5
"""How likely those who part from the bank leave it within about a year."""
_AGAIN = 0.5
"""How many of the contacts to come that the rules allow are made."""


@dataclass(frozen=True)
class Month:
    """What is true of the coming month; n customers, m options in the catalogue's order.

    may
        Whether the world can offer the option to the customer, (n, m).
    nothing
        What the bank earns of each customer whom it leaves alone, (n,).
    uplift, margin
        How much more likely the option makes the taking up, and what a new holding earns, (n, m).
    slope
        What a further unit of log-odds of the taking up earns under the option, (n, m).
    kept, worth
        How much less likely it makes leaving, (n, m), and what is lost with who leaves, (n,).
    price
        Contact, and fees given up by a waiver that may be accepted, (n, m).
    settled
        P(stops parting from the bank) less P(begins to), because of the offer, (n, m).
    upset, lost
        P(the contact makes the customer complain), P(opts out), (n, m).
    """

    may: NDArray[np.bool_]
    nothing: Floats
    uplift: Floats
    margin: Floats
    slope: Floats
    kept: Floats
    worth: Floats
    price: Floats
    settled: Floats
    upset: Floats
    lost: Floats

    @property
    def gain(self) -> Floats:
        """What each option changes within the month, (n, m); -inf where it cannot be offered."""
        found = self.uplift * self.margin + self.kept * self.worth[:, None] - self.price
        return np.where(self.may, found, -np.inf)


@dataclass(frozen=True)
class Earned:
    """A month under a policy, in expectation; `contacts` and `spent` (on them) are counted."""

    profit: float
    contacts: int
    spent: float
    complaints: float
    opt_outs: float

    def __add__(self, other: "Earned") -> "Earned":
        return Earned(
            self.profit + other.profit,
            self.contacts + other.contacts,
            self.spent + other.spent,
            self.complaints + other.complaints,
            self.opt_outs + other.opt_outs,
        )


def month_of(home: Home, ids: Sequence[str], options: Sequence[Option]) -> Month:
    """Read the truth as of the end of history, of the given customers in their order."""
    everybody = pd.Index(ids)
    potential = pd.read_parquet(home.truth / "potential.parquet")
    wide = potential.pivot(index="customer_id", columns=["product", "channel"]).reindex(everybody)
    names = [(option.product, option.channel) for option in options]

    def of(column: str) -> Floats:
        found = wide.reindex(columns=pd.MultiIndex.from_tuples([(column, *name) for name in names]))
        return found.to_numpy(np.float64)

    last = pd.read_parquet(home.truth / "monthly.parquet")
    last = last[last["as_of"] == last["as_of"].max()].set_index("customer_id").reindex(everybody)
    leaves, worth = (last[name].fillna(0.0).to_numpy() for name in ("leave_hazard", "margin_12m"))
    may = ~np.isnan(of("opt_out"))
    once = potential.drop_duplicates(["customer_id", "product"])
    alone = (once["takeup_alone"] * once["margin_12m"]).fillna(0.0).groupby(once["customer_id"]).sum()
    fees, settled = (np.where(may, found, 0.0) for found in _waivers(home, ids, options))
    reached, margin = np.nan_to_num(of("takeup_contacted")), np.nan_to_num(of("margin_12m"))
    return Month(
        may=may,
        nothing=alone.reindex(everybody).fillna(0.0).to_numpy() - leaves * worth,
        uplift=np.nan_to_num(of("takeup_contacted") - of("takeup_alone")),
        margin=margin,
        slope=reached * (1.0 - reached) * margin,
        kept=np.nan_to_num(of("leave_alone") - of("leave_contacted")),
        worth=worth,
        price=np.array([option.cost for option in options]) + fees,
        settled=settled,
        upset=np.nan_to_num(of("complain")),
        lost=np.nan_to_num(of("opt_out")),
    )


def earned(month: Month, action: Ints, options: Sequence[Option]) -> Earned:
    """What the month earns under an action for each customer: an option's place, or -1 for nothing."""
    who = np.flatnonzero(action >= 0)
    by = action[who]
    costs = np.array([option.cost for option in options])
    # The world makes no offer that it cannot make; such a contact costs and changes nothing.
    gain = np.where(month.may[who, by], month.gain[who, by], -costs[by])
    return Earned(
        profit=float(month.nothing.sum() + gain.sum()),
        contacts=len(who),
        spent=float(costs[by].sum()),
        complaints=float(month.upset[who, by].sum()),
        opt_outs=float(month.lost[who, by].sum()),
    )


def carried(left: int) -> float:
    """What is left of a contact's effect in the months after its own, as many times its month's effect."""
    return float(sum(_CARRIED**k for k in range(1, left)))


def later_worth(month: Month, allowed: NDArray[np.bool_], left: int, rest: int) -> Floats:
    """What an option is worth after its month, by laws and state; below 0 for most; (n, m).

    Its effect as it halves from month to month, and who stops parting; less what its pressure, as it
    fades, takes off the effect of the contacts to come, what they would have earned where the customer
    opts out, and what leaves with complaints.

    Parameters
    ----------
    left
        Months that policies decide, this one included.
    rest
        Months from one contact to the next that the rules allow.
    """
    again = range(rest, left, rest)
    gain = np.where(allowed & month.may, month.gain, 0.0).max(axis=1, initial=0.0)[:, None]
    slope = np.where(allowed & month.may, month.slope, 0.0).max(axis=1, initial=0.0)[:, None]
    pressure = _WORSE * _AGAIN * sum(_PRESSED**k for k in again) * slope
    lost = _AGAIN * len(again) * month.lost * gain + _HURT * month.upset * month.worth[:, None]
    kept = _PARTED * month.settled * month.worth[:, None]
    return np.asarray(carried(left) * month.uplift * month.margin + kept - pressure - lost)


def _waivers(home: Home, ids: Sequence[str], options: Sequence[Option]) -> tuple[Floats, Floats]:
    """Fees that a waiver is expected to give up, and what it changes in parting; (n, m), 0 for products."""
    world = load_world(home.truth / "state.npz")
    everybody = pd.Index(customer_ids(np.arange(world.size), world.size).to_pylist())
    place = everybody.get_indexer(pd.Index(ids))
    stays = (1.0 - leave_hazard(world)[:, None]) ** (1 + np.arange(WAIVED_MONTHS))
    fee = np.where(world.people.business, _FEES[1], _FEES[0]) * stays.sum(axis=1)
    fee = fee * (world.state.balance[:, CURRENT] < _FREE_ABOVE)
    fees, settled = np.zeros((2, len(ids), len(options)))
    for column, option in enumerate(options):
        if option.kind == "retention":
            accepts = accept_waiver(world, np.full(world.size, CHANNEL[option.channel]))
            fees[:, column] = (accepts * fee)[place]
            settled[:, column] = (0.5 * accepts * hesitant(world) - 0.12 * asleep(world))[place]
    return fees, settled
