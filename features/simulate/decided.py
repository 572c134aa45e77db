"""Decisions from outside the world: which customers were to be contacted, and what came of it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features.errors import InputError, first_five
from features.home import write_whole
from features.simulate.campaigns import Approach
from features.simulate.choices import Choices
from features.simulate.contacts import RESPONSES
from features.simulate.laws import shipped
from features.simulate.money import Array
from features.simulate.output import customer_ids
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING
from features.simulate.world import CURRENT, OFFERED, PRODUCTS, World
from features.vocabulary import CHANNELS

__all__ = ["WAIVER", "Decided", "read_contacts", "write_outcomes"]

_COLUMNS = ("decision_id", "customer_id", "product", "channel", "contacted")
_HEADER = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at", "product", "amount")
WAIVER = "fee_waiver"
"""The retention offer: in the optional column `offer`, beside the product current_account."""

_SAID = {"accepted", "refused", "opted_out"}


@dataclass(frozen=True)
class Decided:
    """Decisions by customer, arrays of shape (decisions,); `approach` holds the contacted alone.

    product
        Its code, -1 of a decision to do nothing.
    waived
        Who was meant for a retention offer, bool.
    """

    decision: tuple[str, ...]
    who: Array
    product: Array
    waived: Array
    approach: Approach
    spared: Array


def read_contacts(contacts: Any, world: World) -> Decided:
    """Check an Arrow table or DataFrame of decisions and find its customers in the world.

    A row whose optional column `offer` says "fee_waiver" is a retention offer; its product is
    current_account, which without that offer nobody can be offered. A row without product and channel
    is a decision to do nothing.

    Raises
    ------
    InputError
        If a column is missing, a customer, product, channel or offer unknown, or a customer named
        twice.
    """
    table = contacts if isinstance(contacts, pa.Table) else pa.Table.from_pandas(contacts)
    if missing := [c for c in _COLUMNS if c not in table.column_names]:
        raise InputError(f"contacts: column '{missing[0]}' is missing; cure: give {', '.join(_COLUMNS)}")
    rows = {name: table[name].to_pylist() for name in _COLUMNS}
    everybody = customer_ids(np.arange(world.size), world.size).to_pylist()
    who = _look_up("customer_id", rows["customer_id"], everybody, rows)
    contacted = np.array(rows["contacted"], bool)
    nothing = ~contacted & np.array([not word for word in rows["product"]], bool)
    product = _look_up("product", rows["product"], list(PRODUCTS), rows, nothing)
    offers = table["offer"].to_pylist() if "offer" in table.column_names else [None] * len(who)
    known = ["", WAIVER]
    waived = _look_up("offer", [o if isinstance(o, str) else "" for o in offers], known, rows) == 1
    offered = np.where(waived, product == CURRENT, np.isin(product, OFFERED)) | nothing
    if not offered.all():
        wrong = [c for c, fits in zip(rows["customer_id"], offered, strict=True) if not fits]
        raise InputError(
            f"contacts: product that is not offered, for {first_five(wrong)}; cure: leave it out"
        )
    channel = _look_up("channel", rows["channel"], list(CHANNELS), rows, nothing)
    if len(np.unique(who)) != len(who):
        named, times = np.unique(rows["customer_id"], return_counts=True)
        twice = first_five(named[times > 1])
        raise InputError(
            f"contacts: customer_id named twice: {twice}; cure: one decision for each customer"
        )
    approach, spared = _approach(world, who, product, channel, contacted)
    return Decided(tuple(str(d) for d in rows["decision_id"]), who, product, waived, approach, spared)


def _look_up(
    column: str,
    given: list[str],
    known: list[str],
    rows: dict[str, list[Any]],
    may_lack: Array | None = None,
) -> Array:
    code = {word: i for i, word in enumerate(known)}
    found = np.array([code.get(word, NOTHING) for word in given], np.int64)
    lacking = (found < 0) if may_lack is None else (found < 0) & ~may_lack
    if lacking.any():
        unknown = [c for c, lacks in zip(rows["customer_id"], lacking, strict=True) if lacks]
        raise InputError(
            f"contacts: unknown {column} for {first_five(unknown)}; cure: correct or leave out"
        )
    return found


def _approach(
    world: World, who: Array, product: Array, channel: Array, contacted: Array
) -> tuple[Approach, Array]:
    n, clock = world.size, world.clock
    spared = np.zeros(n, bool)
    spared[who] = True
    reached = who[contacted & world.state.live[who]]
    rows = contacted & world.state.live[who]
    u = stream(clock.seed, clock.month, "decided").random(n)
    slot, by, at = (np.full(n, NOTHING, np.int64) for _ in range(3))
    slot[reached], by[reached] = product[rows], channel[rows]
    at[reached] = clock.start + (u[reached] * 4 * DAY).astype(np.int64)
    return Approach(slot, by, at), spared


def write_outcomes(path: Path, decided: Decided, months: list[Choices]) -> None:
    """Write what came of each decision: contact and answer of the contacted, and what everybody did.

    Told are purchases of the decision's product, and who left after a retention offer or its control.
    Where some decisions were to do nothing there is no such product: then every customer's purchases
    of everything that is offered are told, with what a new holding is worth, and all who left.
    """
    lines: list[tuple[str, ...]] = []
    size = len(months[0].until)
    customers = customer_ids(np.arange(size), size).to_pylist()
    every = bool((decided.product == NOTHING).any())
    for place, (decision, who) in enumerate(zip(decided.decision, decided.who, strict=True)):
        own = int(decided.product[place])
        events = [*_answers(decided, months[0], who)]
        events += _purchases(months, who, OFFERED if every else (own,), own)
        if every or decided.waived[place]:
            parted = [int(m.until[who]) for m in months if m.leaving[who]]
            events += [("left", at, "", "") for at in parted[:1]]
        for kind, at, product, amount in events:
            number = f"{decision}-{kind}" + (f"-{product}" if amount else "")
            lines.append((number, decision, customers[who], _iso(at), kind, _iso(at), product, amount))
    with write_whole(path) as part, part.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(_HEADER)
        writer.writerows(lines)


_Event = tuple[str, int, str, str]
"""Kind, time, product and, where it is not the decision's own product, what it is worth."""


def _answers(decided: Decided, first: Choices, who: int) -> Iterator[_Event]:
    if decided.approach.product[who] < 0:
        return
    yield "shown", int(decided.approach.at[who]), "", ""
    said = RESPONSES[int(first.response[who])]
    if said in _SAID:
        yield said, int(first.answered[who]), "", ""
    if first.upset[who] >= 0:
        yield "complained", int(first.upset[who]), "", ""


def _purchases(months: list[Choices], who: int, products: tuple[int, ...], own: int) -> Iterator[_Event]:
    for product in products:
        opened = [int(m.bought[who, product]) for m in months if m.bought[who, product] >= 0]
        name = PRODUCTS[product]
        amount = "" if product == own else str(shipped().products[name].takeup_margin)
        if opened:
            yield "bought", opened[0], name, amount


def _iso(at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat(
        timespec="microseconds"
    )
