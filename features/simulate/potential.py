"""Potential outcomes: what each customer would do under every offer, by every channel, and under none."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from features.simulate.booking import CHANNEL
from features.simulate.contacts import warmth
from features.simulate.laws import complain, contact_effect, eligible, opt_out, shipped, takeup
from features.simulate.leaving import leave_hazard, retention_effect, waivable
from features.simulate.money import Array
from features.simulate.output import customer_ids
from features.simulate.rows import stamps, words
from features.simulate.world import CURRENT, INVESTMENT, LOAN, OFFERED, PRODUCTS, SAVINGS, World

__all__ = ["PEOPLE", "REACHED_BY", "holding_margin", "potential_tables"]

REACHED_BY = ("app", "email", "mail", "call", "branch")
"""Channels by which a customer may be contacted."""

PEOPLE = 100_000
"""Customers whose truth is held in memory at once."""


def holding_margin(world: World) -> Array:
    """Expected margin of twelve months of a new holding in major units, (n, products); 0 if not offered.

    Margins and costs are the catalogue's; the balance is what the laws of saving, investing and
    lending lead to on average. Leaving within the year is not in it.
    """
    s, catalogue = world.state, shipped()
    income = s.income / 100.0
    mean = np.zeros(s.opened.shape)
    # Two fifths of the current account, and what is put by later: hardly a quarter more in a year.
    mean[:, SAVINGS] = 1.25 * 0.4 * np.maximum(s.balance[:, CURRENT], 0) / 100.0
    mean[:, LOAN] = 5.5 * income * 0.83
    mean[:, INVESTMENT] = 6.0 * (0.05 * income + 25)
    for slot in OFFERED:
        product = catalogue.products[PRODUCTS[slot]]
        mean[:, slot] *= product.balance_margin - product.loss_rate
        mean[:, slot] += 12 * (product.monthly_margin - product.monthly_cost)
    return mean


def potential_tables(world: World) -> Iterator[pa.Table]:
    """The potential outcomes of all, in tables of at most `PEOPLE` customers.

    See features.simulate.truth for the columns.
    """
    for begin in range(0, world.size, PEOPLE):
        some = world.part(begin, begin + PEOPLE)
        parts = _by_product(some, begin, world.size)
        yield pa.concat_tables(parts)


def _by_product(world: World, begin: int, customers: int) -> Iterator[pa.Table]:
    """Customers x channels for each product, the current account (the retention offer) first."""
    channels = [np.full(world.size, CHANNEL[name]) for name in REACHED_BY]
    may = eligible(world, shipped())
    may[:, CURRENT] = waivable(world)
    alone = takeup(world, warmth(world, 0.5 * world.state.warm))
    stays, margin = leave_hazard(world), holding_margin(world)
    reached = [takeup(world, contact_effect(world, by)) for by in channels]
    kept = [leave_hazard(world, retention_effect(world, by)) for by in channels]
    out, upset = ([law(world, by) for by in channels] for law in (opt_out, complain))
    times = len(REACHED_BY)
    for slot in (CURRENT, *OFFERED):
        who, retention = np.flatnonzero(may[:, slot]), slot == CURRENT
        nobody = pa.nulls(len(who) * times, pa.float64())
        columns = {
            "as_of": stamps(np.full(len(who) * times, world.clock.start)),
            "customer_id": customer_ids(begin + who.repeat(times), customers),
            "product": words(np.full(len(who) * times, slot, np.int8), PRODUCTS),
            "channel": words(np.tile(np.arange(times, dtype=np.int8), len(who)), REACHED_BY),
            "takeup_alone": nobody if retention else alone[who, slot].repeat(times),
            "takeup_contacted": nobody if retention else _by_channel(reached, who, slot),
            "leave_alone": stays[who].repeat(times),
            "leave_contacted": _by_channel(kept, who) if retention else stays[who].repeat(times),
            "opt_out": _by_channel(out, who),
            "complain": _by_channel(upset, who),
            "margin_12m": nobody if retention else margin[who, slot].repeat(times),
        }
        yield pa.table({name: pa.array(column) for name, column in columns.items()})


def _by_channel(found: list[Array], who: Array, slot: int | None = None) -> Array:
    """Customers' values, channel by channel within each customer, (len(who) * channels,)."""
    chosen = [values[who] if slot is None else values[who, slot] for values in found]
    return np.stack(chosen, axis=1).ravel()
