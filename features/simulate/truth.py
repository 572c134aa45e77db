"""What is true and no bank can see: one row for each live customer and month, kept apart from history.

`truth/monthly.parquet`, as of the begin of each month and once more at the end of history:

as_of, customer_id
    When, and who; customers that still have everything before them this month.
leave_hazard
    P(closes everything in this month). It is the probability that the world draws from.
attrition_hazard
    P(begins to move balances to another bank in this month); 0 for those who already do.
takeup_<product>
    P(opens the product in this month | not contacted, stays); empty where not eligible. What is
    left of earlier contacts is in it.
contacted_<product>
    The same if contacted about it by the usual channel in this month; the difference of the two
    is the true uplift of a contact in its month. Half of the effect on the log-odds is left a
    month later, a quarter after two.
margin_12m
    Expected margin of the next twelve months in major units of the reporting currency: what the
    holdings earn at today's balances, as long as today's hazard lets the customer stay, plus
    the fees to be expected. It is an expectation with the state held still, not a forecast of
    every later turn; the realised margin is in the history.

Only the simulator itself, tests and benchmarks may read it.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.home import write_whole
from features.simulate.contacts import warmth
from features.simulate.laws import attrition_hazard, eligible, leave_hazard, shipped, takeup
from features.simulate.money import Array
from features.simulate.output import customer_ids
from features.simulate.rows import stamps
from features.simulate.world import CURRENT, INVESTMENT, OFFERED, PRODUCTS, World

__all__ = ["true_month", "write_truth"]


def true_month(world: World, rate: float) -> pa.Table:
    """The truth as the month begins; `rate` is the value of one USD."""
    who = np.flatnonzero(world.state.live)
    leave = leave_hazard(world)
    columns = {
        "as_of": stamps(np.full(len(who), world.clock.start)),
        "customer_id": customer_ids(who),
        "leave_hazard": pa.array(leave[who]),
        "attrition_hazard": pa.array(attrition_hazard(world)[who]),
    }
    may = eligible(world, shipped())[who]
    alone = takeup(world, warmth(world, 0.5 * world.state.warm))[who]
    reached = takeup(world, warmth(world, np.ones(world.state.warm.shape)))[who]
    for slot in OFFERED:
        columns[f"takeup_{PRODUCTS[slot]}"] = pa.array(alone[:, slot], mask=~may[:, slot])
        columns[f"contacted_{PRODUCTS[slot]}"] = pa.array(reached[:, slot], mask=~may[:, slot])
    columns["margin_12m"] = pa.array(_margin(world, leave, rate)[who])
    return pa.table(columns)


def _margin(world: World, leave: Array, rate: float) -> Array:
    s, catalogue = world.state, shipped()
    monthly = np.zeros(world.size)
    for slot, name in enumerate(PRODUCTS):
        product = catalogue.products[name]
        balance = np.abs(s.balance[:, slot]) / 100.0
        if slot == INVESTMENT:
            balance = np.where(world.people.dollars, balance * rate, balance)
        earned = balance * (product.balance_margin - product.loss_rate) / 12
        earned += product.monthly_margin - product.monthly_cost
        monthly += np.where(s.opened[:, slot] >= 0, earned, 0.0)
    fee = np.where(world.people.business, 9.90, 4.90)
    monthly += np.where(s.balance[:, CURRENT] < 100_000, fee, 0.0)
    stays = (1 - leave[:, None]) ** np.arange(1, 13)
    return np.asarray(monthly * stays.sum(axis=1))


def write_truth(path: Path, months: list[pa.Table], since: int) -> None:
    """Write the truth whole: what was there from before `since`, then `months`."""
    kept = []
    if path.is_file():
        earlier = pq.read_table(path)
        kept = [earlier.filter(np.asarray(earlier["as_of"].cast(pa.int64())) < since)]
    with write_whole(path) as part:
        pq.write_table(pa.concat_tables(kept + months), part, compression="zstd")
