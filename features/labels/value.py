"""What a customer earned: realised margin over a window, by its parts, in the money of one moment.

The margin of the m-th month from as_of counts (1 + r) ** (-m / 12), r the catalogue's yearly rate:
the "discounted value of future marginal earnings" of Glady, Baesens and Croux (2009).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.compute import join_customers
from features.history.cut import Cut, seconds
from features.history.levels import last_balances
from features.labels.outcome import MONTH_DAYS, Outcome, stamped
from features.vocabulary import CUSTOMER_ID, Catalogue, Product

__all__ = ["VALUE_PARTS", "discount", "product_margins", "realised", "value_labels"]

VALUE_PARTS = ("interest_margin", "fees", "cost_to_serve", "expected_loss")
# Sums of floats depend on their order, so discounted cents and months are summed as whole numbers.
_FINE = 100 * 1_000
_MONTH_FINE = 1_000_000


def value_labels(outcome: Outcome, catalogue: Catalogue) -> pd.DataFrame:
    """Realised margin of the window by its parts, in major units of as_of's money.

    Costs and losses are negative, and so is the value of who cost more than he brought.

    Returns
    -------
    DataFrame
        customer_id, as_of, the VALUE_PARTS, value (their sum); only customers at risk.
    """
    cut = outcome.at(outcome.closes)
    earned = realised(cut, outcome.opens, outcome.at_risk(), catalogue, present=outcome.as_of)
    return stamped(earned, outcome)


def discount(rate: float, months: float) -> float:
    """What 1 of `months` months later is worth: (1 + rate) ** (-months / 12), `rate` a year.

    >>> round(discount(0.06, 12), 4)
    0.9434
    """
    return float((1 + rate) ** (-months / 12))


def realised(
    cut: Cut, since: datetime, people: ir.Table, catalogue: Catalogue, *, present: datetime | None = None
) -> pd.DataFrame:
    """What `people` (customer_id) earned from `since` to the cut's end, in major units.

    Balances and holdings are read at the end of every 30-day step; a step earns 30/365 of the
    catalogue's yearly rates on the absolute balance, and one month of its flat amounts.

    Parameters
    ----------
    present
        The moment in whose money the amounts are told: each is discounted from the end of its
        30-day step, at the catalogue's rate. None: amounts as they were booked.

    Returns
    -------
    DataFrame
        customer_id, the VALUE_PARTS, value (their sum); one row each of `people`.
    """
    rate = 0.0 if present is None else catalogue.discount_rate
    money = _Money(rate, present or since, since)
    table = people
    for part in (
        _held(cut, since, tuple(catalogue.products), money),
        _charges(cut, since, money),
        _contact_costs(cut, since, money),
    ):
        table = join_customers(table, part)
    frame: pd.DataFrame = table.to_pandas()
    amounts = [c for c in frame.columns if c != CUSTOMER_ID]
    frame[amounts] = frame[amounts].astype("float64").fillna(0.0)
    products = catalogue.products.values()
    year = MONTH_DAYS / 365
    months = {p.name: frame[f"months_{p.name}"] / _MONTH_FINE for p in products}
    balance = {p.name: frame[f"balance_{p.name}"] / _FINE for p in products}
    flat = sum(p.monthly_cost * months[p.name] for p in products)
    frame["interest_margin"] = sum(p.balance_margin * year * balance[p.name] for p in products)
    frame["fees"] = frame.charges / _FINE + sum(p.monthly_margin * months[p.name] for p in products)
    frame["cost_to_serve"] = -flat - frame.contact_cost / _FINE
    frame["expected_loss"] = -sum(p.loss_rate * year * balance[p.name] for p in products)
    frame["value"] = frame[list(VALUE_PARTS)].sum(axis=1)
    return frame[[CUSTOMER_ID, *VALUE_PARTS, "value"]]


def product_margins(cut: Cut, since: datetime, products: Sequence[Product]) -> ir.Table:
    """What holdings earned from `since` to the cut's end by product, as it was booked, in major units.

    Balance margin and flat amounts less expected loss and flat costs, by the steps of `realised`; what
    customers pay beside that, and contacts, belong to no product.

    Returns
    -------
    table
        customer_id, one column a product; owners of a holding only.
    """
    held = _held(cut, since, tuple(p.name for p in products), _Money(0.0, since, since))
    year = MONTH_DAYS / 365
    earned = {
        p.name: held[f"balance_{p.name}"] * ((p.balance_margin - p.loss_rate) * year / _FINE)
        + held[f"months_{p.name}"] * ((p.monthly_margin - p.monthly_cost) / _MONTH_FINE)
        for p in products
    }
    return held.select(CUSTOMER_ID, **earned)


@dataclass(frozen=True)
class _Money:
    """Cents from `since` on in the money of `present`, by a yearly rate."""

    rate: float
    present: datetime
    since: datetime

    def at(self, moment: datetime) -> float:
        """What 1 of a moment counts."""
        return discount(self.rate, (moment - self.present).days / MONTH_DAYS)

    def booked(self, cents: ir.Value, at: ir.Value) -> ir.Value:
        """Cents of any moment, each counted from the end of its step, in whole thousandths."""
        days = (seconds(at) - int(self.since.timestamp())) // 86_400
        month = days // MONTH_DAYS + 1 + (self.since - self.present).days / MONTH_DAYS
        return _thousandths(cents.cast("float64") * (1 + self.rate) ** (-month / 12))


def _thousandths(cents: ir.Value) -> ir.Value:
    return (cents * 1_000).round().cast("int64")


def _held(cut: Cut, since: datetime, products: tuple[str, ...], money: _Money) -> ir.Table:
    """For each product: months_<p>, millionths of the steps at whose end it was held; balance_<p>,
    the sum over the steps of the absolute balance in thousandths of a cent; both discounted.
    Shared holdings count for their owner only."""
    moments = tuple(cut.as_of - timedelta(days=d) for d in range(0, (cut.as_of - since).days, MONTH_DAYS))
    counts = [money.at(moment) for moment in moments]
    level = last_balances(cut.transactions, ("holding_id",), moments)
    own = cut.holdings.filter(cut.holdings.role == "owner")
    own = own.left_join(level, "holding_id").drop("holding_id_right")
    held = [
        (own.opened_at < moment) & (own.closed_at.isnull() | (own.closed_at >= moment))
        for moment in map(ibis.literal, moments)
    ]
    months = reduce(add, (h.ifelse(round(w * _MONTH_FINE), 0) for h, w in zip(held, counts, strict=True)))
    levels = [own[f"level_{k}"].abs().fill_null(0).cast("float64") for k in range(len(held))]
    balance = reduce(
        add, (h.ifelse(level * w, 0.0) for h, level, w in zip(held, levels, counts, strict=True))
    )
    own = own.mutate(months=months, balance=_thousandths(balance))
    sums = {}
    for p in products:
        sums[f"months_{p}"] = (own["product"] == p).ifelse(own.months, 0).sum()
        sums[f"balance_{p}"] = (own["product"] == p).ifelse(own.balance, 0).sum()
    return own.group_by(CUSTOMER_ID).aggregate(**sums)


def _charges(cut: Cut, since: datetime, money: _Money) -> ir.Table:
    """Fees and penalties that the customer paid, in positive thousandths of a cent."""
    paid = cut.transactions
    paid = paid.filter(paid.at >= ibis.literal(since), paid.category.isin(["fee", "penalty"]))
    paid = paid.mutate(charge=money.booked(-paid.amount_reporting, paid.at))
    return paid.group_by(CUSTOMER_ID).aggregate(charges=paid.charge.sum())


def _contact_costs(cut: Cut, since: datetime, money: _Money) -> ir.Table:
    """What contacts cost the bank, in positive thousandths of a cent."""
    met = cut.interactions
    met = met.filter(met.at >= ibis.literal(since))
    met = met.mutate(charge=money.booked(met.cost, met.at))
    return met.group_by(CUSTOMER_ID).aggregate(contact_cost=met.charge.sum())
