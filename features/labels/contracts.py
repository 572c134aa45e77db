"""Leaving by contract: everything is closed, or the last holding of a product line."""

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.errors import InputError
from features.labels.definition import Rule
from features.labels.outcome import Outcome, stamped
from features.labels.standing import ended, month_of
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = ["NOT_HELD", "closure", "line_labels", "one_line", "product_line"]

NOT_HELD = "did not hold the product"

_LINE = (CUSTOMER_ID, "product")


def closure(_: Outcome, everybody: ir.Table, __: Catalogue) -> ir.Table:
    """Nobody beyond those who ended everything, which `standing` tells already."""
    return everybody.mutate(churn=ibis.literal(0.0), excluded=ibis.null("string"), month=ibis.null("int64"))


def product_line(outcome: Outcome, everybody: ir.Table, _: Catalogue) -> ir.Table:
    """At least one line ended by the customer's own will; no label if every line ended otherwise."""
    lines = _lines(outcome).semi_join(everybody, CUSTOMER_ID)
    table = lines.group_by(CUSTOMER_ID).aggregate(
        churn=lines.churn.max(), month=lines.month.min(), reason=lines.excluded.min()
    )
    none = ibis.null("string")
    return table.select(
        CUSTOMER_ID, "churn", "month", excluded=table.churn.isnull().ifelse(table.reason, none)
    )


def one_line(product: str) -> Rule:
    """The rule of one line alone: its last holding ended by the customer's own will, of those who held it.

    The rule raises InputError if the bank's catalogue has no such product.
    """

    def rule(outcome: Outcome, everybody: ir.Table, catalogue: Catalogue) -> ir.Table:
        if product not in catalogue.products:
            known = ", ".join(catalogue.products)
            raise InputError(f"churn: no product '{product}' in the catalogue; cure: one of {known}")
        lines = _lines(outcome)
        table = everybody.left_join(lines.filter(lines["product"] == product), CUSTOMER_ID)
        excluded = table["product"].isnull().ifelse(NOT_HELD, table.excluded)
        return table.select(CUSTOMER_ID, "churn", "month", excluded=excluded)

    return rule


def line_labels(outcome: Outcome) -> pd.DataFrame:
    """Product-line churn line by line.

    Returns
    -------
    DataFrame
        customer_id, as_of, product, churn (1.0 the last holding of the line was ended by the
        customer's own will, 0.0 it was not, NaN excluded), one row for each line that was held at
        as_of and still when the window opened.
    """
    lines = _lines(outcome).order_by(_LINE).select(*_LINE, "churn")
    return stamped(lines.to_pandas(), outcome)


def _lines(outcome: Outcome) -> ir.Table:
    """customer_id, product, churn, month, excluded of every line at risk."""
    end = outcome.at(outcome.closes)
    lines = _held(outcome.before().holdings).semi_join(_held(outcome.at(outcome.opens).holdings), _LINE)
    table = lines.left_join(_held(end.holdings).mutate(stayed=True), _LINE)
    table = table.select(*_LINE, "stayed").left_join(ended(end.holdings, outcome, _LINE), _LINE)
    stayed, own = table.stayed.fill_null(False), table.own_will.fill_null(False)
    churn = ibis.cases((stayed, 0.0), (own, 1.0), else_=ibis.null("float64"))
    month = (~stayed & own).ifelse(month_of(table.ended_at, outcome), ibis.null("int64"))
    excluded = (stayed | own).ifelse(ibis.null("string"), table.reason)
    return table.select(*_LINE, churn=churn, month=month, excluded=excluded)


def _held(holdings: ir.Table) -> ir.Table:
    """The lines of which a customer holds something open."""
    return holdings.filter(holdings.closed_at.isnull()).select(*_LINE).distinct()
