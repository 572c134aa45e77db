"""The relationship manager: how many customers share one, how long it has been the same, and how often
they talk."""

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Shared
from features.history.cut import Cut

__all__ = ["FAMILY"]


def _changes(cut: Cut, spine: ir.Table) -> ir.Table:
    """When the manager last became another one, none included; null for those who never changed."""
    versions = cut.customer_versions.semi_join(spine, "customer_id")
    # Most customers never had one, and nothing can change for them.
    versions = versions.semi_join(versions.filter(versions.manager_id.notnull()), "customer_id")
    versions = versions.select(
        "customer_id", "valid_from", manager=versions.manager_id.fill_null(ibis.literal(""))
    )
    before = versions.manager.lag().over(group_by="customer_id", order_by="valid_from")
    versions = versions.mutate(before=before, age=cut.days_since(versions.valid_from))
    changed = versions.before.notnull() & (versions.before != versions.manager)
    return versions.group_by("customer_id").aggregate(
        days_since_manager_change=changed.ifelse(versions.age, ibis.null("int64")).min(),
        manager_changes=changed.ifelse(1, 0).sum(),
    )


FAMILY = Family(
    "manager",
    "The relationship manager",
    reads=("customers",),
    expressed=(
        Field(
            *("days_since_manager_change", "int64", "days", "since the manager became another one"),
            *("Days since the manager changed", "C1", "null"),
        ),
        Field("manager_changes", "int64", "count", "changes of manager ever known", "Changes of manager"),
    ),
    expression=_changes,
    shared=(
        Shared(
            Field(
                *("manager_portfolio", "int64", "count", "customers of the same manager; 0 without one"),
                "Customers of the same manager",
            ),
            "manager_id",
            lambda t: t.has_manager,
        ),
    ),
    derived=(
        (
            Field(
                *("manager_contacts_90d", "int64", "count"),
                "calls and visits, 90 days; 0 without a manager",
                "Talks of a managed customer, last 90 days",
            ),
            lambda t: (t.calls_90d + t.visits_90d) * t.has_manager,
        ),
    ),
)
