"""A tiny bank in contract form, and the parts to build other small banks from."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.history.contract import BY_NAME
from features.history.tables import arrow_schema, write_table

Rows = list[dict[str, Any]]

DEFAULTS: dict[str, dict[str, Any]] = {
    "customers": {
        "customer_id": "C1",
        "kind": "person",
        "birth_date": date(1980, 5, 17),
        "gender": "female",
        "region": "north",
        "income": 250_000,
        "joined_at": datetime(2020, 1, 1, tzinfo=UTC),
        "preferred_channel": "app",
        "consent_marketing": True,
        "consent_profiling": True,
        "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
        "known_at": datetime(2020, 1, 1, tzinfo=UTC),
    },
    "holdings": {
        "holding_id": "H1",
        "customer_id": "C1",
        "product": "current_account",
        "role": "owner",
        "opened_at": datetime(2020, 1, 1, tzinfo=UTC),
    },
    "transactions": {
        "transaction_id": "T1",
        "customer_id": "C1",
        "holding_id": "H1",
        "at": datetime(2024, 1, 31, 9, tzinfo=UTC),
        "amount": 100_00,
        "currency": "EUR",
        "category": "other",
        "channel": "app",
        "balance_after": 100_00,
    },
    "interactions": {
        "interaction_id": "I1",
        "customer_id": "C1",
        "at": datetime(2024, 2, 1, 12, tzinfo=UTC),
        "channel": "email",
        "direction": "out",
        "kind": "campaign",
    },
    "rates": {"currency": "USD", "date": date(2024, 1, 1), "rate": 0.9},
}


def row(name: str, **values: Any) -> dict[str, Any]:
    """One full row of a table; known_at follows the time of the row unless given."""
    table = BY_NAME[name]
    full = {column.name: None for column in table.columns} | DEFAULTS[name] | values
    if full["known_at"] is None:
        time = full[table.time]
        full["known_at"] = (
            time if isinstance(time, datetime) else datetime(time.year, time.month, time.day, tzinfo=UTC)
        )
    return full


def as_table(name: str, rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=arrow_schema(BY_NAME[name]))


def write_bank(folder: Path, **tables: Rows) -> Path:
    """Write the given tables of a bank as parquet; others stay away."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_table(folder, name, as_table(name, rows))
    return folder


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def tiny_rows() -> dict[str, Rows]:
    """Three customers: one in two currencies, one who closed an account, one business."""
    customers = [
        row("customers"),
        row("customers", customer_id="C2", gender="male", birth_date=date(1955, 2, 1), income=None),
        row("customers", customer_id="C3", kind="business", gender=None, consent_marketing=False),
        row("customers", income=300_000, valid_from=day("2024-02-01"), known_at=day("2024-02-03")),
    ]
    closing = {"holding_id": "H2", "customer_id": "C2", "product": "current_account"}
    holdings = [
        row("holdings"),
        row("holdings", **closing),
        row(
            "holdings",
            **closing,
            closed_at=day("2024-03-20"),
            close_reason="customer",
            known_at=day("2024-03-21"),
        ),
        row("holdings", holding_id="H3", customer_id="C3"),
        row("holdings", holding_id="H4", product="card", opened_at=day("2024-02-10")),
    ]
    transactions = []
    for number, (holding, customer) in enumerate([("H1", "C1"), ("H2", "C2"), ("H3", "C3")]):
        balance = 0
        for month in range(1, 5):
            for nth, amount in enumerate((200_000, -150_050)):
                balance += amount
                transactions.append(
                    row(
                        "transactions",
                        transaction_id=f"T{number}{month}{nth}",
                        customer_id=customer,
                        holding_id=holding,
                        at=datetime(2024, month, 3 + 10 * nth, 8, 30, tzinfo=UTC),
                        amount=amount,
                        category="salary" if amount > 0 else "card",
                        currency="USD" if customer == "C1" and nth else "EUR",
                        balance_after=balance,
                    )
                )
    return {
        "customers": customers,
        "holdings": holdings,
        "transactions": transactions,
        "interactions": [row("interactions"), row("interactions", interaction_id="I2", kind="complaint")],
        "rates": [row("rates"), row("rates", date=date(2024, 3, 1), rate=0.95)],
    }


@pytest.fixture
def tiny_bank(tmp_path: Path) -> Path:
    """A folder that holds a tiny valid bank in contract form."""
    return write_bank(tmp_path / "tiny_bank", **tiny_rows())
