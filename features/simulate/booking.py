"""One booking: the month it belongs to, and how it is put down."""

from dataclasses import dataclass

import numpy as np

from features.simulate.money import Array
from features.simulate.randomness import DAY
from features.simulate.rows import NOTHING, Rows
from features.simulate.world import CURRENT, World
from features.vocabulary import CATEGORIES, CHANNELS

__all__ = ["CATEGORY", "CHANNEL", "Month", "booking_rows", "post"]

CATEGORY = {name: code for code, name in enumerate(CATEGORIES)}
CHANNEL = {name: code for code, name in enumerate(CHANNELS)}


def booking_rows() -> Rows:
    """Bookings under construction; `amount` is in cents of the holding's currency."""
    code = np.int8(NOTHING)
    return Rows(slot=np.int8(0), at=0, amount=0, category=np.int8(0), channel=code, currency=code)


@dataclass(frozen=True)
class Month:
    """What the month's bookings need beside the world.

    `rates` gives the value of one unit of each currency, `until` when each customer's month ends, (n,).
    `rng` draws a number for everybody at a time, so that what one customer does shifts nobody else's
    chance; hours and the like, which the next month does not depend on, are drawn from `fine` for those
    whom they are about.
    """

    world: World
    rng: np.random.Generator
    fine: np.random.Generator
    rates: Array
    until: Array
    active: Array
    """Which holdings were open as the month began, bool (n, products)."""

    def at(self, who: Array, fraction: Array | float) -> Array:
        """A moment of the month for each of `who`, at a fraction of the customer's month."""
        start = self.world.clock.start
        return (start + fraction * (self.until[who] - start - DAY // 24)).astype(np.int64)

    def on(self, who: Array, day: Array | float) -> Array:
        """A moment `day` days into the month, or as the customer's month ends if that is sooner."""
        moment = self.world.clock.start + np.asarray(np.multiply(day, DAY)).astype(np.int64)
        return np.asarray(np.minimum(moment, self.until[who] - DAY // 24))

    def some(self, chance: Array, slot: int = CURRENT) -> Array:
        """Indices of those who do something with probability `chance`, of active holders of `slot`."""
        drawn = self.rng.random(self.world.size) < chance
        return np.flatnonzero(drawn & self.active[:, slot] & self.active[:, CURRENT])


def post(
    rows: Rows,
    who: Array,
    slot: int,
    at: Array,
    amount: Array,
    category: str,
    channel: object,
    currency: Array | int = NOTHING,
) -> None:
    """Book `amount` cents on the holding `slot` of each of `who`; zero amounts are left out.

    `currency` is a code where the booking was made in another currency than the holding's.
    """
    kept = amount != 0
    code = CHANNEL[channel] if isinstance(channel, str) else channel
    columns = {"at": at, "amount": amount, "channel": code, "currency": currency}
    chosen = {name: np.broadcast_to(np.asarray(c), who.shape)[kept] for name, c in columns.items()}
    rows.add(who[kept], slot=slot, category=CATEGORY[category], **chosen)
