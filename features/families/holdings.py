"""What the customer holds, since when, and what has recently begun or ended."""

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field
from features.history.cut import Cut

__all__ = ["declare"]


def declare(products: tuple[str, ...]) -> Family:
    """The family for a catalogue's products: one count of open holdings for each."""

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
            products_open=is_open.ifelse(held["product"], ibis.null("string")).nunique(),
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
        "holdings", "What the customer holds", expressed=(*per_product, *_COUNTS), expression=holdings
    )


_COUNTS = (
    Field("holdings_open", "int64", "count", "open holdings", "Open holdings"),
    Field("products_open", "int64", "count", "different products held", "Different products"),
    Field("holdings_shared", "int64", "count", "open holdings as co-owner", "Shared holdings"),
    Field("holdings_opened_90d", "int64", "count", "opened in 90 days", "Opened, last 90 days"),
    Field("holdings_opened_365d", "int64", "count", "opened in 365 days", "Opened, last year"),
    Field("holdings_closed_90d", "int64", "count", "closed in 90 days", "Closed, last 90 days"),
    Field("holdings_closed_365d", "int64", "count", "closed in 365 days", "Closed, last year"),
    Field(
        "days_since_opening",
        "int64",
        "days",
        "since the latest opening",
        "Days since the latest opening",
        null="null",
    ),
    Field(
        "days_since_closing",
        "int64",
        "days",
        "since the latest closing",
        "Days since the latest closing",
        null="null",
    ),
    Field(
        "oldest_open_days",
        "int64",
        "days",
        "age of the oldest open holding",
        "Age of the oldest holding",
        null="null",
    ),
)
