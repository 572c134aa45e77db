"""Who left: churn by several definitions, all of them in one table."""

from collections.abc import Mapping
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.compute import join_customers
from features.errors import InputError
from features.labels.contracts import NOT_HELD, closure, one_line, product_line
from features.labels.definition import Definition, Need
from features.labels.money import LITTLE, LITTLE_EARNED, balance_attrition, falling_value
from features.labels.outcome import Outcome, stamped
from features.labels.silence import IRREGULAR, SILENT, STREAMS, dormancy, own_booking, primacy_loss
from features.labels.standing import UNKNOWN, standing
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = ["CHURN_DEFINITIONS", "churn_definition", "churn_labels", "churn_outcomes"]

_BY_CUSTOMER = Need(
    "holdings",
    "one that its customer ended (close_reason 'customer')",
    lambda t: t.close_reason == "customer",
)
_BALANCES = Need("transactions", "a balance (balance_after)", lambda t: t.balance_after.notnull())
_OWN_ACTS = Need("transactions", "one by the customer's own hand (a channel other than auto)", own_booking)
_REGULAR_WORDS = tuple(word for words in STREAMS.values() for word in words)
_REGULARS = Need(
    "transactions",
    f"one that comes by the month (category {', '.join(_REGULAR_WORDS)})",
    lambda t: t.category.isin(_REGULAR_WORDS),
)

_ALL = (
    Definition(
        "closure",
        "the customer ends every holding inside the window",
        observed_days=0,
        needs=(_BY_CUSTOMER,),
        excluded=(),
        monthly=True,
        rule=closure,
    ),
    Definition(
        "balance_attrition",
        "the mean balance of the window's last 90 days is at most half of that of the 90 days before as_of",
        observed_days=90,
        needs=(_BALANCES,),
        excluded=(LITTLE,),
        monthly=True,
        rule=balance_attrition,
    ),
    Definition(
        "dormancy",
        "no booking by the customer's own hand and no contact that the customer began in the whole window; "
        "pay, interest, fees, penalties, standing orders and what runs by itself do not count",
        observed_days=None,
        needs=(_OWN_ACTS,),
        excluded=(SILENT,),
        monthly=False,
        rule=dormancy,
    ),
    Definition(
        "primacy_loss",
        "pay (salary, pension) and payments (standing orders, household) that came in 3 of the 4 calendar "
        "months before as_of: none of those that did comes in the whole window",
        observed_days=124,
        needs=(_REGULARS,),
        excluded=(IRREGULAR,),
        monthly=False,
        rule=primacy_loss,
    ),
    Definition(
        "product_line",
        "the customer ends the last holding of at least one product line",
        observed_days=0,
        needs=(_BY_CUSTOMER,),
        excluded=(),
        monthly=True,
        rule=product_line,
    ),
    Definition(
        "falling_value",
        "the realised margin of the window is below half of that of as long a time before as_of",
        observed_days=None,
        needs=(_BALANCES,),
        excluded=(LITTLE_EARNED,),
        monthly=False,
        rule=falling_value,
    ),
)

CHURN_DEFINITIONS: Mapping[str, Definition] = {definition.name: definition for definition in _ALL}
"""Every definition by its name."""


def churn_definition(name: str) -> Definition:
    """A definition by its name; `product_line:card` is the line of one product, of those who hold it.

    Raises
    ------
    InputError
        If there is no such definition.
    """
    general, colon, product = name.partition(":")
    if general not in CHURN_DEFINITIONS or (colon and (general != "product_line" or not product)):
        known = ", ".join(CHURN_DEFINITIONS)
        raise InputError(f"churn: '{name}' is not a definition; cure: one of {known}")
    if not product:
        return CHURN_DEFINITIONS[general]
    return replace(
        CHURN_DEFINITIONS[general],
        name=name,
        says=f"the customer ends the last holding of {product}",
        excluded=(NOT_HELD,),
        rule=one_line(product),
    )


def churn_labels(outcome: Outcome, definition: str, catalogue: Catalogue) -> pd.DataFrame:
    """Who left, by one definition.

    Returns
    -------
    DataFrame
        customer_id, as_of, churn (1.0 left, 0.0 stayed); only customers with a label.
    """
    table = _decided(outcome, churn_definition(definition), catalogue)
    table = table.filter(table.churn.notnull()).select(CUSTOMER_ID, "churn")
    return stamped(table.to_pandas(), outcome)


def churn_outcomes(outcome: Outcome, definition: str, catalogue: Catalogue) -> pd.DataFrame:
    """Everybody who was a customer at as_of, by one definition.

    Returns
    -------
    DataFrame
        customer_id, as_of, churn (1.0 left, 0.0 stayed, NaN excluded), excluded (why there is no
        label, empty if there is one), month (of the window in which the customer left, 1 to H/30;
        NaN for others, and throughout where the definition is not monthly).
    """
    frame: pd.DataFrame = _decided(outcome, churn_definition(definition), catalogue).to_pandas()
    return stamped(frame.astype({"churn": "float64", "month": "float64"}), outcome)


def _decided(outcome: Outcome, definition: Definition, catalogue: Catalogue) -> ir.Table:
    """The definition's rule, for those whom the standing leaves to it."""
    stood = standing(outcome)
    ruled = definition.rule(outcome, stood.select(CUSTOMER_ID), catalogue)
    if not definition.monthly:
        ruled = ruled.mutate(month=ibis.null("int64"))
    told = {"rule_excluded": "excluded", "rule_month": "month"}
    table = join_customers(stood, ruled.rename(told))
    says = table.left.ifelse(1.0, table.churn)
    unknown = says.isnull().ifelse(UNKNOWN, ibis.null("string"))
    excluded = ibis.coalesce(table.excluded, table.rule_excluded, unknown)
    churn = excluded.notnull().ifelse(ibis.null("float64"), says)
    month = ibis.null("int64")
    if definition.monthly:
        month = ibis.ifelse(churn == 1.0, _earlier(table.month, table.rule_month), month)
    return table.select(CUSTOMER_ID, churn=churn, excluded=excluded.fill_null(""), month=month)


def _earlier(one: ir.Value, other: ir.Value) -> ir.Value:
    """The smaller of two numbers of which one may be null."""
    return ibis.least(ibis.coalesce(one, other), ibis.coalesce(other, one))
