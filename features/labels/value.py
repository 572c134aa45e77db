"""What a customer earned: realised margin over the window, by its parts."""

from datetime import datetime, timedelta
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.compute import join_customers
from features.history.cut import Cut
from features.history.levels import last_balances
from features.labels.outcome import Outcome, stamped
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = ["VALUE_PARTS", "realised", "value_labels"]

VALUE_PARTS = ("interest_margin", "fees", "cost_to_serve", "expected_loss")
_STEP_DAYS = 30
_CENTS = 100


def value_labels(outcome: Outcome, catalogue: Catalogue) -> pd.DataFrame:
    """Realised margin of the window by its parts, in major units; costs and losses are negative.

    Returns
    -------
    DataFrame
        customer_id, as_of, the VALUE_PARTS, value (their sum); only customers at risk.
    """
    return stamped(
        realised(outcome.at(outcome.closes), outcome.opens, outcome.at_risk(), catalogue), outcome
    )


def realised(cut: Cut, since: datetime, people: ir.Table, catalogue: Catalogue) -> pd.DataFrame:
    """What `people` (customer_id) earned from `since` to the cut's end, in major units.

    Balances and holdings are read at the end of every 30-day step; a step earns 30/365 of the
    catalogue's yearly rates on the absolute balance, and one month of its flat amounts.

    Returns
    -------
    DataFrame
        customer_id, the VALUE_PARTS, value (their sum); one row each of `people`.
    """
    table = people
    for part in (
        _held(cut, since, tuple(catalogue.products)),
        _charges(cut, since),
        _contact_costs(cut, since),
    ):
        table = join_customers(table, part)
    frame: pd.DataFrame = table.to_pandas()
    amounts = [c for c in frame.columns if c != CUSTOMER_ID]
    frame[amounts] = frame[amounts].astype("float64").fillna(0.0)
    products = catalogue.products.values()
    year = _STEP_DAYS / 365
    months = {p.name: frame[f"months_{p.name}"] for p in products}
    balance = {p.name: frame[f"balance_{p.name}"] / _CENTS for p in products}
    flat = sum(p.monthly_cost * months[p.name] for p in products)
    frame["interest_margin"] = sum(p.balance_margin * year * balance[p.name] for p in products)
    frame["fees"] = frame.charges / _CENTS + sum(p.monthly_margin * months[p.name] for p in products)
    frame["cost_to_serve"] = -flat - frame.contact_cost / _CENTS
    frame["expected_loss"] = -sum(p.loss_rate * year * balance[p.name] for p in products)
    frame["value"] = frame[list(VALUE_PARTS)].sum(axis=1)
    return frame[[CUSTOMER_ID, *VALUE_PARTS, "value"]]


def _held(cut: Cut, since: datetime, products: tuple[str, ...]) -> ir.Table:
    """For each product: months_<p>, steps at whose end it was held; balance_<p>, the sum over the
    steps of the absolute balance in cents. Shared holdings count for their owner only."""
    moments = tuple(cut.as_of - timedelta(days=d) for d in range(0, (cut.as_of - since).days, _STEP_DAYS))
    level = last_balances(cut.transactions, ("holding_id",), moments)
    own = cut.holdings.filter(cut.holdings.role == "owner")
    own = own.left_join(level, "holding_id").drop("holding_id_right")
    held = [
        (own.opened_at < moment) & (own.closed_at.isnull() | (own.closed_at >= moment))
        for moment in map(ibis.literal, moments)
    ]
    months = reduce(add, (h.ifelse(1, 0) for h in held))
    balance = reduce(add, (h.ifelse(own[f"level_{k}"].abs().fill_null(0), 0) for k, h in enumerate(held)))
    own = own.mutate(months=months, balance=balance)
    sums = {}
    for p in products:
        sums[f"months_{p}"] = (own["product"] == p).ifelse(own.months, 0).sum()
        sums[f"balance_{p}"] = (own["product"] == p).ifelse(own.balance, 0).sum()
    return own.group_by(CUSTOMER_ID).aggregate(**sums)


def _charges(cut: Cut, since: datetime) -> ir.Table:
    """Fees and penalties that the customer paid, positive cents."""
    paid = cut.transactions
    paid = paid.filter(paid.at >= ibis.literal(since), paid.category.isin(["fee", "penalty"]))
    return paid.group_by(CUSTOMER_ID).aggregate(charges=-paid.amount_reporting.sum())


def _contact_costs(cut: Cut, since: datetime) -> ir.Table:
    """What contacts cost the bank, positive cents."""
    met = cut.interactions
    met = met.filter(met.at >= ibis.literal(since))
    return met.group_by(CUSTOMER_ID).aggregate(contact_cost=met.cost.sum())
