"""The history contract: tables and columns with type, unit, class and nullability.

Every row carries `known_at`, when the bank learned it. A fact that changes (a holding that
closes, a complaint that is resolved) comes again as a new row with the same id and a later
`known_at`; the latest version known at `as_of` counts, so a late correction never leaks back.
"""

from dataclasses import dataclass
from typing import Literal

from features.vocabulary import CATEGORIES, CHANNELS

__all__ = ["BY_NAME", "FREE_WORDS", "TABLES", "Column", "ColumnType", "DataClass", "Table"]

ColumnType = Literal["string", "cents", "float64", "bool", "timestamp", "date"]
"""`cents` is int64 in minor units of the row's currency; `timestamp` is UTC in microseconds."""

DataClass = Literal["C1", "C2"]
"""C1 internal, C2 sensitive. C3 (PINs, passwords, biometrics) has no place in the contract."""

_UNITS: dict[ColumnType, str] = {
    "string": "text",
    "cents": "cents",
    "float64": "number",
    "bool": "true or false",
    "timestamp": "UTC, microseconds",
    "date": "day",
}

_MOST = 1e17
"""Cents beyond which an amount is a typing error; a hundred such sums still fit 64 bits."""


@dataclass(frozen=True)
class Column:
    """One column; `low` and `high` bound the values, both included.

    `unit` is that of the type unless stated. `only` names the `kind` of row that carries a value
    here; empty if every row may.
    """

    name: str
    type: ColumnType
    meaning: str
    data_class: DataClass = "C1"
    nullable: bool = False
    unit: str = ""
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    only: str = ""

    def __post_init__(self) -> None:
        if not self.unit:
            object.__setattr__(self, "unit", "one of its words" if self.allowed else _UNITS[self.type])


@dataclass(frozen=True)
class Table:
    """One table; `key` identifies a row, `id` the thing that its rows are versions of.

    `starts` and `ends` name the columns between which the row's fact holds, `time` the column
    by which rows of one customer are ordered.
    """

    name: str
    columns: tuple[Column, ...]
    id: tuple[str, ...]
    time: str
    required: bool = True
    starts: str = ""
    ends: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that no two rows may share."""
        return (*self.id, "known_at")

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        return {c.name: c for c in self.columns}[name]


_KNOWN = Column("known_at", "timestamp", "when the bank learned this row")
_CUSTOMER = Column("customer_id", "string", "the bank's id of the customer", "C2")

CUSTOMERS = Table(
    "customers",
    (
        _CUSTOMER,
        Column("kind", "string", "natural person or business", allowed=("person", "business")),
        Column("birth_date", "date", "date of birth or of founding", "C2", nullable=True),
        Column("gender", "string", "gender", "C2", nullable=True, allowed=("female", "male", "other")),
        Column("occupation", "string", "occupation or line of business", "C2", nullable=True),
        Column("education", "string", "highest education", "C2", nullable=True),
        Column("region", "string", "region of residence", nullable=True),
        Column(
            "income",
            "cents",
            "declared income",
            "C2",
            nullable=True,
            unit="cents a month",
            low=0,
            high=_MOST,
        ),
        Column("joined_at", "timestamp", "when the relation began"),
        Column("household_id", "string", "household", "C2", nullable=True),
        Column("manager_id", "string", "relationship manager", nullable=True),
        Column("preferred_channel", "string", "stated preference", nullable=True, allowed=CHANNELS),
        Column("consent_marketing", "bool", "may be approached with offers"),
        Column("consent_profiling", "bool", "may be scored by models"),
        Column("valid_from", "timestamp", "from when this version is true"),
        _KNOWN,
    ),
    id=("customer_id", "valid_from"),
    time="valid_from",
)

HOLDINGS = Table(
    "holdings",
    (
        Column("holding_id", "string", "the bank's id of the contract", "C2"),
        _CUSTOMER,
        Column("product", "string", "name of a product of the catalogue"),
        Column("role", "string", "owner or co-owner", allowed=("owner", "co_owner")),
        Column("opened_at", "timestamp", "start of the contract"),
        Column("closed_at", "timestamp", "end of the contract, empty while open", nullable=True),
        Column(
            "close_reason",
            "string",
            "who ended it",
            nullable=True,
            allowed=("customer", "bank", "matured"),
        ),
        _KNOWN,
    ),
    id=("holding_id", "customer_id"),
    time="opened_at",
    starts="opened_at",
    ends="closed_at",
)

TRANSACTIONS = Table(
    "transactions",
    (
        Column("transaction_id", "string", "the bank's id of the booking", "C2"),
        _CUSTOMER,
        Column("holding_id", "string", "the contract that was booked on", "C2"),
        Column("at", "timestamp", "booking time"),
        Column(
            "amount",
            "cents",
            "signed: positive is money in",
            "C2",
            unit="cents of currency",
            low=-_MOST,
            high=_MOST,
        ),
        Column("currency", "string", "ISO 4217 code"),
        Column("category", "string", "what it was for", allowed=CATEGORIES),
        Column("channel", "string", "how it was made", nullable=True, allowed=CHANNELS),
        Column("counterparty", "string", "the other side, as a code", "C2", nullable=True),
        Column(
            "balance_after",
            "cents",
            "balance of the holding after the booking",
            "C2",
            nullable=True,
            unit="cents of currency",
            low=-_MOST,
            high=_MOST,
        ),
        _KNOWN,
    ),
    id=("transaction_id",),
    time="at",
)

INTERACTIONS = Table(
    "interactions",
    (
        Column("interaction_id", "string", "the bank's id of the contact"),
        _CUSTOMER,
        Column("at", "timestamp", "when it happened"),
        Column("channel", "string", "where it happened", allowed=CHANNELS),
        Column("direction", "string", "in: the customer came; out: the bank did", allowed=("in", "out")),
        Column(
            "kind",
            "string",
            "what it was",
            allowed=("campaign", "call", "visit", "complaint", "survey", "session"),
        ),
        Column("product", "string", "product it was about", nullable=True),
        Column(
            "response",
            "string",
            "answer to a campaign",
            nullable=True,
            allowed=("none", "opened", "accepted", "refused", "opted_out"),
            only="campaign",
        ),
        Column(
            "rating",
            "float64",
            "answer to a survey",
            nullable=True,
            unit="0 to 10",
            low=0,
            high=10,
            only="survey",
        ),
        Column("resolved_at", "timestamp", "when a complaint was settled", nullable=True, only="complaint"),
        Column("cost", "cents", "what the contact cost the bank", nullable=True, low=0, high=_MOST),
        _KNOWN,
    ),
    id=("interaction_id",),
    time="at",
    required=False,
    starts="at",
    ends="resolved_at",
)

RATES = Table(
    "rates",
    (
        Column("currency", "string", "ISO 4217 code"),
        Column("date", "date", "day from which the rate holds"),
        Column("rate", "float64", "reporting currency for one unit", unit="ratio", low=1e-9, high=1e9),
        _KNOWN,
    ),
    id=("currency", "date"),
    time="date",
    required=False,
)

TABLES = (CUSTOMERS, HOLDINGS, TRANSACTIONS, INTERACTIONS, RATES)
BY_NAME = {table.name: table for table in TABLES}

FREE_WORDS = ("occupation", "education", "region")
"""Columns of `customers` whose words the bank chooses; a word never seen before is worth a look."""
