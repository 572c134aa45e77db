"""The laws of taking up and answering: every probability that is true, as a function of the state.

What makes customers leave is in features.simulate.leaving. Each law is a logistic curve over what
columns mostly show (age, income, balances, holdings, use of app and web, complaints) and a part
that no column shows, so that a good model ranks well and
no model ranks perfectly. Probabilities are for the month that begins.
"""

from functools import cache
from importlib.resources import as_file, files

import numpy as np

from features.catalogue import load_catalogue
from features.simulate.drift import digital, inclination
from features.simulate.money import Array
from features.simulate.world import (
    CARD,
    CURRENT,
    INSURANCE,
    INVESTMENT,
    LOAN,
    ORDER,
    PRODUCTS,
    SAVINGS,
    World,
)
from features.vocabulary import CHANNELS, Catalogue

__all__ = [
    "complain",
    "contact_effect",
    "deposits",
    "eligible",
    "opt_out",
    "scores",
    "shipped",
    "sigmoid",
    "takeup",
]

_INTERCEPT = np.array([-9.0, -6.1, -5.5, -5.0, -5.9, -6.1, -5.7])
_PULL = np.array([0.0, 0.45, 0.30, 0.40, 0.40, 0.55, 0.45])
"""What a contact adds to the log-odds of taking up, for each product."""

_ANNOYS = np.array([{"call": 0.6, "mail": 0.1, "app": -0.3}.get(c, 0.0) for c in CHANNELS])
"""How much more a channel annoys than e-mail does, on the log-odds of opting out."""


@cache
def shipped() -> Catalogue:
    """What the simulated bank sells: the catalogue that every new bank starts from."""
    with as_file(files("features").joinpath("catalogue.toml")) as path:
        return load_catalogue(path)


def sigmoid(x: Array) -> Array:
    """The logistic curve."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def deposits(world: World) -> Array:
    """Current and savings balances in thousands of the reporting currency, at least 0; (n,)."""
    return np.asarray(np.maximum(world.state.balance[:, [CURRENT, SAVINGS]].sum(axis=1), 0) / 1e5)


def scores(world: World) -> Array:
    """Inclination to each product before its intercept, (n, products)."""
    s, p = world.state, world.people
    held = world.held
    age = np.where(p.business, 42.0, world.age)
    rich = np.log1p(deposits(world)) - 1.3
    earn = np.log(np.maximum(s.income, 10_000) / 220_000)
    app = 2.0 * (digital(world) - 0.5)
    out = np.zeros(held.shape)
    out[:, SAVINGS] = 1.4 * rich + 1.3 * s.windfall + 1.0 * app - 0.02 * (age - 40) + 0.5 * s.child
    out[:, CARD] = 1.1 * app + 0.9 * earn - 1.2 * ((age - 34) / 22) ** 2 + 0.5 * p.primary
    out[:, LOAN] = (
        1.0 * s.moved - 1.1 * rich - 1.2 * ((age - 38) / 17) ** 2 + 0.5 * earn + 0.5 * held[:, CARD]
    )
    out[:, LOAN] += 0.4 * s.child
    out[:, ORDER] = 1.3 * app + 0.8 * p.business + 1.0 * s.moved + 0.9 * p.primary - 0.03 * (age - 45)
    out[:, INVESTMENT] = (
        1.2 * rich + 0.9 * earn + 1.2 * s.windfall - 0.8 * ((age - 48) / 18) ** 2 + 0.5 * app
    )
    out[:, INSURANCE] = (
        1.8 * s.moved + 0.9 * earn - 1.2 * ((age - 44) / 18) ** 2 + 0.8 * held[:, LOAN] + 0.4 * rich
    )
    out[:, INSURANCE] += 0.9 * s.child
    return out + p.taste


def eligible(world: World, catalogue: Catalogue) -> Array:
    """Who may take up what: not a holder, required products held, persons of the right age."""
    held = world.held
    allowed = world.alive[:, None] & ~held
    for slot, name in enumerate(PRODUCTS):
        product = catalogue.products[name]
        aged = (world.age >= product.min_age) & (world.age < product.max_age + 1)
        allowed[:, slot] &= product.offered & (world.people.business | aged)
        if product.requires:
            allowed[:, slot] &= held[:, [PRODUCTS.index(r) for r in product.requires]].any(axis=1)
    return allowed


def takeup(world: World, warm: Array) -> Array:
    """P(takes up) for each product at a given warmth of contact, (n, products)."""
    x = _INTERCEPT + inclination(world.clock) + scores(world) - 2.5 * world.state.drift[:, None]
    return sigmoid(x + warm)


def contact_effect(world: World, channel: Array) -> Array:
    """What a contact by `channel` (codes, (n,)) adds to the log-odds of each product, (n, products).

    It falls with every recent contact and turns negative while a complaint is open: such
    customers are better left alone. The preferred channel and a personal one work better.
    """
    s, p = world.state, world.people
    personal = np.isin(channel, [CHANNELS.index("call"), CHANNELS.index("branch")])
    each = 0.35 * (channel == p.preferred) + 0.25 * personal - 0.35 * s.pressed
    each = each - 1.8 * (s.complaint >= 0) + 0.5 * (45.0 - np.clip(world.age, 20, 80)) / 25.0
    return np.asarray(_PULL + each[:, None] + 0.15 * (s.mood[:, None] - 7.0))


def opt_out(world: World, channel: Array) -> Array:
    """P(a contact by `channel`, codes (n,), makes the customer withdraw consent to marketing)."""
    s = world.state
    return sigmoid(-5.0 + 0.5 * s.pressed + 1.0 * (s.complaint >= 0) + _ANNOYS[channel])


def complain(world: World, channel: Array) -> Array:
    """P(the customer complains about a contact by `channel`, codes (n,)); 0 while a complaint is open."""
    s = world.state
    x = -5.6 + 0.7 * s.pressed - 0.25 * (s.mood - 7.0) + 1.5 * _ANNOYS[channel]
    return np.where(s.complaint >= 0, 0.0, sigmoid(x))
