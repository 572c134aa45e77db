"""What is true and no bank can see, kept apart from history, in the folder `truth/`.

`monthly.parquet`: one row for each live customer and month, as of the month's begin, and once more
at the end of history (of a bank of more than 100,000 customers, the last months only):

as_of, customer_id
    When, and who; customers that still have everything before them this month.
leave_hazard
    P(closes everything in this month). It is the probability that the world draws from; of a
    customer who has died, P(the bank closes for the heirs).
attrition_hazard
    P(begins to move balances to another bank in this month); 0 for those who already do.
takeup_<product>
    P(opens the product in this month | not contacted, stays); empty where not eligible. What is
    left of earlier contacts is in it.
contacted_<product>
    The same if contacted about it by the usual channel in this month; the difference of the two
    is the true uplift of a contact in its month. Half of the effect on the log-odds is left a
    month later, a quarter after two.
retained_leave
    P(closes everything in this month | offered a fee waiver by the usual channel). Below
    leave_hazard for those who can be persuaded, above it for sleeping dogs. Only the effect
    within the month: of those who accept, up to half stop parting, and of those asleep up to
    12% begin to, which moves leave_hazard in later months.
margin_12m
    Expected margin of the next twelve months in major units of the reporting currency: what the
    holdings earn at today's balances, as long as today's hazard lets the customer stay, plus
    the fees to be expected. It is an expectation with the state held still, not a forecast of
    every later turn; the realised margin is in the history.
parting, satisfaction, hurt, pressed
    The state behind the laws: how far the inner parting has gone (0 to 1), satisfaction (0 to
    10; surveys show it with noise), what complaints do (0 to 2.6), contacts lately, fading.

`potential.parquet`: as of the end of history, one row for each customer x product that may be
offered x channel; the product current_account stands for the retention offer, a fee waiver:

takeup_alone, takeup_contacted
    P(opens the product in the coming month | no contact, stays), and if contacted by this channel.
leave_alone, leave_contacted
    P(closes everything in the coming month | no contact), and if contacted. Contacts about
    products change it through complaints only, that is in later months.
opt_out, complain
    P(the contact makes the customer withdraw consent to marketing, unless it is accepted), and
    P(the contact makes the customer complain). Both rise with each recent contact: fatigue.
margin_12m
    Expected margin of a new holding in its first twelve months, major units; approximate where
    balances build up (savings, investment), and without what else the customer then does.

`arms.parquet`: what the bank's own campaigns drew: as_of, customer_id, product, arm (control, or
the channel), p_drawn (probability of being drawn for that offer) and p_arm (probability of the arm
given that). Nothing about the customer moves either, so every comparison of arms is unconfounded.

`events.parquet`: as_of (begin of the month), customer_id, event: life events, changes of manager
and settled complaints as they happened. `laws.json`: the numbers of the laws and the drift switch.

Only the simulator itself, tests and benchmarks may read it. It is the truth about the month to
come, given the state; it says nothing about what a customer will have become in half a year.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from features.simulate.campaigns import ARMS, DRAWN, P_ARM
from features.simulate.contacts import usual_channel, warmth
from features.simulate.events import EVENTS
from features.simulate.laws import eligible, shipped, takeup
from features.simulate.leaving import attrition_hazard, leave_hazard, retention_effect, waivable
from features.simulate.money import Array
from features.simulate.output import customer_ids
from features.simulate.potential import PEOPLE
from features.simulate.rows import stamps, words
from features.simulate.step import MonthRows
from features.simulate.world import CURRENT, OFFERED, PRODUCTS, World

__all__ = ["month_arms", "month_events", "true_month"]


def true_month(world: World, rates: Array) -> Iterator[pa.Table]:
    """The truth as the month begins, in tables of at most `PEOPLE` customers.

    `rates` gives the value of one unit of each currency.
    """
    for begin in range(0, world.size, PEOPLE):
        yield _true_month(world.part(begin, begin + PEOPLE), rates, begin, world.size)


def _true_month(world: World, rates: Array, begin: int, customers: int) -> pa.Table:
    s, who = world.state, np.flatnonzero(world.state.live)
    leave = leave_hazard(world)
    columns = {
        "as_of": stamps(np.full(len(who), world.clock.start)),
        "customer_id": customer_ids(begin + who, customers),
        "leave_hazard": pa.array(leave[who]),
        "attrition_hazard": pa.array(attrition_hazard(world)[who]),
    }
    may = eligible(world, shipped())[who]
    alone = takeup(world, warmth(world, 0.5 * s.warm))[who]
    reached = takeup(world, warmth(world, np.ones(s.warm.shape)))[who]
    for slot in OFFERED:
        columns[f"takeup_{PRODUCTS[slot]}"] = pa.array(alone[:, slot], mask=~may[:, slot])
        columns[f"contacted_{PRODUCTS[slot]}"] = pa.array(reached[:, slot], mask=~may[:, slot])
    kept = leave_hazard(world, retention_effect(world, usual_channel(world)))
    columns["retained_leave"] = pa.array(kept[who], mask=~waivable(world)[who])
    columns["margin_12m"] = pa.array(_margin(world, leave, rates)[who])
    state = {"parting": s.drift, "satisfaction": s.mood, "hurt": s.hurt, "pressed": s.pressed}
    return pa.table(columns | {name: pa.array(values[who]) for name, values in state.items()})


def _margin(world: World, leave: Array, rates: Array) -> Array:
    s, p, catalogue = world.state, world.people, shipped()
    monthly = np.zeros(world.size)
    for slot, name in enumerate(PRODUCTS):
        product = catalogue.products[name]
        balance = np.abs(s.balance[:, slot]) / 100.0
        if name == "investment":
            balance = balance * rates[p.currency]
        earned = balance * (product.balance_margin - product.loss_rate) / 12
        earned += product.monthly_margin - product.monthly_cost
        monthly += np.where(s.opened[:, slot] >= 0, earned, 0.0)
    fee = np.where(p.business, 9.90, 4.90) * (s.balance[:, CURRENT] < 100_000)
    ahead = np.arange(12)
    stays = (1 - leave[:, None]) ** (1 + ahead)
    charged = (stays * (ahead >= s.waiver[:, None])).sum(axis=1)
    return np.asarray(monthly * stays.sum(axis=1) + fee * charged)


def month_arms(world: World, rows: MonthRows) -> pa.Table:
    """Whom the month's own campaigns drew, and into which arm; `world` is the month's begin."""
    trial = rows.choices.trial
    who = np.flatnonzero(trial.product >= 0)
    product, arm = trial.product[who], trial.arm[who]
    return pa.table(
        {
            "as_of": stamps(np.full(len(who), world.clock.start)),
            "customer_id": customer_ids(who, world.size),
            "product": words(product, PRODUCTS),
            "arm": words(arm, ARMS),
            "p_drawn": pa.array(np.where(product == CURRENT, DRAWN["retention"], DRAWN["product"])),
            "p_arm": pa.array(np.array(P_ARM)[arm]),
        }
    )


def month_events(world: World, rows: MonthRows) -> pa.Table:
    """What happened to whom in the month; `world` is the month's begin."""
    who = rows.events["who"]
    return pa.table(
        {
            "as_of": stamps(np.full(len(who), world.clock.start)),
            "customer_id": customer_ids(who, world.size),
            "event": words(rows.events["event"], EVENTS),
        }
    )
