"""What a label needs to be checked by hand: one snapshot, its windows, and rows around them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from features.catalogue import load_catalogue
from features.labels import Outcome, churn_labels, churn_outcomes
from tests.features.conftest import row
from tests.features.memory_bank import connect

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
LATER = datetime(2025, 3, 1, tzinfo=UTC)
GAP, HORIZON = 14, 180
SECOND = timedelta(seconds=1)

Rows = list[dict[str, Any]]

_KEYS = {"transactions": "transaction_id", "interactions": "interaction_id", "holdings": "holding_id"}


def outcome(tables: dict[str, Rows], known: datetime = LATER, horizon: int = HORIZON) -> Outcome:
    return Outcome(connect(tables), AS_OF, gap_days=GAP, horizon_days=horizon, known=known)


def after(days: float) -> datetime:
    return AS_OF + timedelta(days=days)


OPENS, CLOSES = after(GAP), after(GAP + HORIZON)


def held(customer: str, product: str = "current_account", **values: Any) -> dict[str, Any]:
    name = f"{product}-{customer}"
    return row("holdings", **{"holding_id": name, "customer_id": customer, "product": product, **values})


def closed(
    customer: str, at: datetime, reason: str | None = "customer", product: str = "current_account"
) -> Rows:
    first = held(customer, product)
    return [first, first | {"closed_at": at, "close_reason": reason, "known_at": at}]


def booked(customer: str, at: datetime, **values: Any) -> dict[str, Any]:
    given = {
        "transaction_id": f"{customer}-{at:%Y%m%d%H%M%S}-{values.get('category', '')}",
        "customer_id": customer,
        "holding_id": f"current_account-{customer}",
        "at": at,
        "amount": 1,
        "balance_after": None,
    }
    return row("transactions", **(given | values))


def came(customer: str, at: datetime, **values: Any) -> dict[str, Any]:
    given = {"interaction_id": f"I-{customer}-{at:%Y%m%d%H%M%S}", "customer_id": customer, "at": at}
    return row("interactions", **(given | {"direction": "in", "kind": "call", "channel": "call"} | values))


def together(cases: Mapping[str, Rows]) -> dict[str, Rows]:
    """One bank of several customers: case by case the rows of a customer 'a', who holds an account."""
    tables: dict[str, Rows] = {"holdings": [], "transactions": [], "interactions": []}
    for name, rows in cases.items():
        for given in (held("a"), *rows):
            table, key = next((t, k) for t, k in _KEYS.items() if k in given)
            moved = {"customer_id": name, key: f"{given[key]}-{name}"}
            if "balance_after" in given:
                moved["holding_id"] = f"{given['holding_id']}-{name}"
            tables[table].append(given | moved)
    return tables


def labels(found: Outcome, definition: str) -> dict[str, float]:
    """Customer -> label, of those who have one; checks what both functions say against each other."""
    short, full = (f(found, definition, CATALOGUE) for f in (churn_labels, churn_outcomes))
    kept = full[full["excluded"] == ""]
    assert list(short["customer_id"]) == list(kept["customer_id"])
    assert list(short["churn"]) == list(kept["churn"])
    assert full.loc[full["excluded"] != "", ["churn", "month"]].isna().all(axis=None)
    return dict(zip(short["customer_id"], short["churn"], strict=True))


def reasons(found: Outcome, definition: str) -> dict[str, str]:
    """Customer -> why there is no label, of those who have none."""
    full = churn_outcomes(found, definition, CATALOGUE)
    full = full[full["excluded"] != ""]
    return dict(zip(full["customer_id"], full["excluded"], strict=True))


def months(found: Outcome, definition: str) -> dict[str, int]:
    """Customer -> month in which the customer left."""
    full = churn_outcomes(found, definition, CATALOGUE).dropna(subset="month")
    return {c: int(m) for c, m in zip(full["customer_id"], full["month"], strict=True)}
