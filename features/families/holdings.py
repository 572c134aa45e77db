"""What the customer holds, since when, what has recently begun or ended, and what is missing."""

from functools import reduce
from operator import add, or_

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field
from features.families.parts import flag
from features.history.cut import Cut
from features.vocabulary import Catalogue, Product

__all__ = ["declare"]


def declare(catalogue: Catalogue) -> Family:
    """The family for a catalogue: a count of open holdings for each product, and the gap to what is
    offered."""
    products = tuple(catalogue.products)

    def holdings(cut: Cut, spine: ir.Table) -> ir.Table:
        held = cut.holdings.semi_join(spine, "customer_id")
        is_open = held.closed_at.isnull()
        age, ended = cut.days_since(held.opened_at), cut.days_since(held.closed_at)
        per_product = {
            f"holds_{p}": (is_open & (held["product"] == p)).ifelse(1, 0).sum() for p in products
        }
        return held.group_by("customer_id").aggregate(
            **per_product,
            holdings_open=is_open.ifelse(1, 0).sum(),
            holdings_shared=(is_open & (held.role == "co_owner")).ifelse(1, 0).sum(),
            holdings_opened_90d=(age < 90).ifelse(1, 0).sum(),
            holdings_opened_365d=(age < 365).ifelse(1, 0).sum(),
            holdings_closed_90d=(ended < 90).fill_null(ibis.literal(False)).ifelse(1, 0).sum(),
            holdings_closed_365d=(ended < 365).fill_null(ibis.literal(False)).ifelse(1, 0).sum(),
            days_since_opening=age.min(),
            days_since_closing=ended.min(),
            oldest_open_days=is_open.ifelse(age, ibis.null("int64")).max(),
        )

    per_product = tuple(
        Field(f"holds_{p}", "int64", "count", f"open holdings of {p}", f"Holdings: {p.replace('_', ' ')}")
        for p in products
    )
    return Family(
        "holdings",
        "What the customer holds",
        reads=("holdings",),
        expressed=(*per_product, *_COUNTS),
        expression=holdings,
        derived=(
            (_PRODUCTS_OPEN, lambda t: reduce(add, (flag(t[f"holds_{p}"] > 0) for p in products))),
            (
                Field(
                    *("products_missing", "int64", "count", "products on offer, eligible for, not held"),
                    "Products that could still be held",
                ),
                lambda t: reduce(add, (_may_take(t, p) for p in catalogue.offered), ibis.literal(0)),
            ),
        ),
    )


def _may_take(t: ir.Table, product: Product) -> ir.Value:
    """1 where `features.eligibility` lets the customer newly take the product."""
    allowed = t[f"holds_{product.name}"] == 0
    if product.requires:
        allowed &= reduce(or_, (t[f"holds_{name}"] > 0 for name in product.requires))
    if product.min_age > 0 or product.max_age < 200:
        in_range = (t.age_years >= product.min_age) & (t.age_years <= product.max_age)
        allowed &= in_range.fill_null(ibis.literal(False)) | (t.kind == "business")
    return flag(allowed)


_PRODUCTS_OPEN = Field("products_open", "int64", "count", "different products held", "Different products")
_COUNTS = (
    Field("holdings_open", "int64", "count", "open holdings", "Open holdings"),
    Field("holdings_shared", "int64", "count", "open holdings as co-owner", "Shared holdings"),
    Field("holdings_opened_90d", "int64", "count", "opened in 90 days", "Opened, last 90 days"),
    Field("holdings_opened_365d", "int64", "count", "opened in 365 days", "Opened, last year"),
    Field("holdings_closed_90d", "int64", "count", "closed in 90 days", "Closed, last 90 days"),
    Field("holdings_closed_365d", "int64", "count", "closed in 365 days", "Closed, last year"),
    Field(
        *("days_since_opening", "int64", "days", "since the latest opening"),
        *("Days since the latest opening", "C1", "null"),
    ),
    Field(
        *("days_since_closing", "int64", "days", "since the latest closing"),
        *("Days since the latest closing", "C1", "null"),
    ),
    Field(
        *("oldest_open_days", "int64", "days", "age of the oldest open holding"),
        *("Age of the oldest holding", "C1", "null"),
    ),
)
