"""How, how often and at what hours the customer and the bank meet."""

from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Slice, Window
from features.families.parts import flag, number, ratio, since

__all__ = ["BANDS", "FAMILY"]

_USED = ("branch", "atm", "app", "web", "call", "email", "mail")
_IN_PERSON = ("app", "web", "branch", "atm", "call")
"""Channels whose hours the customer chooses; mail and standing orders keep the bank's hours."""

BANDS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (0, 6)}
"""Hours in UTC; of bands that are used alike, the first one here is the best: nobody is rung at night
for a tie."""


def _used(channel: str, days: int) -> Window:
    return number(
        *(f"used_{channel}_{days}d", f"bookings and contacts by {channel}", f"Use of {channel}"),
        *(Slice({"channel": (channel,)}), days, "touches"),
    )


def _met(name: str, meaning: str, label: str, kind: str, days: int) -> Window:
    return number(f"{name}_{days}d", meaning, label, Slice({"kind": (kind,)}), days, "interactions")


def _in_hours(band: str, hours: tuple[int, int]) -> Window:
    return number(
        *(f"touches_{band}_180d", f"use from {hours[0]} to {hours[1]} o'clock UTC", f"Use in the {band}"),
        *(Slice({"channel": _IN_PERSON}, hours=hours), 180, "touches"),
    )


def _best_hours(t: ir.Table) -> ir.Value:
    counts = {band: t[f"touches_{band}_180d"] for band in BANDS}
    most = ibis.greatest(*counts.values())
    word = ibis.null("string")
    for band in reversed(BANDS):
        word = (counts[band] == most).ifelse(ibis.literal(band), word)
    return (most > 0).ifelse(word, ibis.null("string"))


def _sum(t: ir.Table, channels: tuple[str, ...]) -> ir.Value:
    return reduce(add, (t[f"used_{channel}_180d"] for channel in channels))


FAMILY = Family(
    "channels",
    "How the customer and the bank meet",
    windows=(
        *(_used(channel, 180) for channel in _USED),
        *(_used(channel, 30) for channel in ("app", "web", "branch")),
        *(_in_hours(band, hours) for band, hours in BANDS.items()),
        _met("sessions", "digital sessions", "Sessions", "session", 30),
        _met("sessions", "digital sessions", "Sessions", "session", 90),
        _met("calls", "calls", "Calls", "call", 90),
        _met("visits", "visits", "Visits", "visit", 90),
        since("session", "the last session", Slice({"kind": ("session",)}), "interactions"),
    ),
    derived=(
        (
            Field(
                *("sessions_change_30d", "float64", "ratio", "sessions of 30 days to a third of 90 days"),
                *("Sessions, last 30 days against the quarter", "C1", "null"),
            ),
            lambda t: ratio(t.sessions_30d * 3, t.sessions_90d),
        ),
        (
            Field(
                "channels_used_180d", "int64", "count", "different channels, 180 days", "Channels in use"
            ),
            lambda t: reduce(add, (flag(t[f"used_{channel}_180d"] > 0) for channel in _USED)),
        ),
        (
            Field(
                *("digital_share_180d", "float64", "ratio", "app and web of all use, 180 days"),
                *("Share of app and web", "C1", "null"),
            ),
            lambda t: ratio(_sum(t, ("app", "web")), _sum(t, _IN_PERSON)),
        ),
        (
            Field(
                *("best_hours", "string", "word"),
                "part of the day most used in 180 days: "
                + ", ".join(f"{band} ({a}-{b} UTC)" for band, (a, b) in BANDS.items()),
                "Usual hours",
                null="null",
                words=tuple(BANDS),
            ),
            _best_hours,
        ),
    ),
)
