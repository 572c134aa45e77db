"""What moves: bookings by size, kind, channel and time, and this quarter beside the one before.

Sums that are compared go by calendar months, because pay and rent come by the month; what follows
no calendar goes by days.
"""

from functools import partial

import ibis.expr.types as ir

from features.families.base import Family, Field, Slice, Window
from features.families.parts import number, ratio, since, total

__all__ = ["COMPARED", "FAMILY", "of_kind"]

_KINDS = {
    "income": ("salary", "pension"),
    "card": ("card",),
    "cash": ("cash_out",),
    "cash_in": ("cash_in",),
    "orders": ("standing_order",),
    "household": ("household",),
    "instalments": ("loan_payment",),
    "investment": ("investment",),
    "interest": ("interest",),
    "charges": ("fee", "penalty"),
    "transfers": ("transfer_out",),
}
_WORDS = {
    "income": "Salary and pension",
    "card": "Card payments",
    "cash": "Cash withdrawals",
    "cash_in": "Cash paid in",
    "orders": "Standing orders",
    "household": "Household payments",
    "instalments": "Loan instalments",
    "investment": "Investments",
    "interest": "Interest received",
    "charges": "Fees and penalties",
    "transfers": "Transfers out",
}
_CHANNELS = {"app": "the app", "web": "the web", "branch": "the branch"}


def of_kind(kind: str) -> Slice:
    """The bookings of one kind: of the categories that it is made of."""
    # A plan or a loan is held here too: what is paid into it comes again with the other sign.
    return Slice({"category": _KINDS[kind]}, "-" if kind in ("investment", "instalments") else "")


_IN, _OUT, _ANY = Slice(sign="+"), Slice(sign="-"), Slice()

COMPARED = {
    "inflow": ("Incoming payments", _IN),
    "outflow": ("Outgoing payments", _OUT),
    **{kind: (_WORDS[kind], of_kind(kind)) for kind in ("income", "card", "orders", "household")},
}
"""What is compared with a quarter before, by calendar months: label and bookings."""


def _count(name: str, days: int, label: str, part: Slice) -> Window:
    return number(f"{name}_count_{days}d", "bookings", f"{label} (number)", part, days, "transactions")


_WINDOWS = (
    *(total(name, label, part, months=m) for name, (label, part) in COMPARED.items() for m in (3, 6)),
    *(total("inflow", "Incoming payments", _IN, days=d) for d in (7, 30)),
    *(total("outflow", "Outgoing payments", _OUT, days=d) for d in (7, 30)),
    *(
        total(
            f"outflow_{channel}",
            f"Outgoing payments by {where}",
            Slice({"channel": (channel,)}, "-"),
            days=90,
        )
        for channel, where in _CHANNELS.items()
    ),
    *(_count("bookings", d, "Bookings", _ANY) for d in (7, 30, 90, 180, 365)),
    *(total(kind, _WORDS[kind], of_kind(kind), days=90) for kind in _KINDS if kind not in COMPARED),
    total("transfers", _WORDS["transfers"], of_kind("transfers"), days=30),
    _count("card", 90, _WORDS["card"], of_kind("card")),
    _count("penalties", 365, "Penalties", Slice({"category": ("penalty",)})),
    since("booking", "the last booking", _ANY),
    since("income", "the last salary or pension", of_kind("income")),
    since("card", "the last card payment", of_kind("card")),
    since("cash", "the last cash withdrawal", of_kind("cash")),
    since("orders", "the last standing order", of_kind("orders")),
    since("household", "the last household payment", of_kind("household")),
    Window(
        Field(
            *("inflow_largest_365d", "int64", "cents", "largest booking in, 365 days"),
            *("Largest incoming payment, last year", "C2"),
        ),
        *("transactions", "largest", 365, "amount_reporting", _IN),
    ),
)


def _change(table: ir.Table, name: str) -> ir.Value:
    """Three months against the three before; null where there was nothing before."""
    recent = table[f"{name}_sum_3m"]
    return ratio(recent, table[f"{name}_sum_6m"] - recent)


FAMILY = Family(
    "activity",
    "What moves on the accounts",
    windows=_WINDOWS,
    derived=(
        *(
            (
                Field(
                    f"{name}_change_3m",
                    "float64",
                    "ratio",
                    "sum of 3 calendar months to the 3 before",
                    f"{label}, last 3 months against the 3 before",
                    null="null",
                ),
                partial(_change, name=name),
            )
            for name, (label, _) in COMPARED.items()
            if name != "household"
        ),
        (
            Field(
                *("spent_share_3m", "float64", "ratio", "outgoing to incoming, 3 calendar months"),
                *("Spent of what came in, last 3 months", "C1", "null"),
            ),
            lambda t: ratio(-t.outflow_sum_3m, t.inflow_sum_3m),
        ),
        (
            Field(
                *("bookings_pace_30d", "float64", "ratio", "bookings of 30 days to the year's pace"),
                *("Bookings, last 30 days against the year", "C1", "null"),
            ),
            lambda t: ratio(t.bookings_count_30d * 365, t.bookings_count_365d * 30),
        ),
    ),
)
