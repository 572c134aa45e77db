"""How the customer and the bank meet."""

from features.families.base import Family, Field, Slice, Window

__all__ = ["FAMILY"]

_USED = ("branch", "atm", "app", "web", "call", "email", "mail")


def _used(channel: str, days: int) -> Window:
    field = Field(
        f"used_{channel}_{days}d",
        "int64",
        "count",
        f"bookings and contacts by {channel}, {days} days",
        f"Use of {channel}, last {days} days",
    )
    return Window(field, "touches", "count", days, slice=Slice({"channel": (channel,)}))


FAMILY = Family(
    "channels",
    "How the customer and the bank meet",
    windows=(
        *(_used(channel, 180) for channel in _USED),
        *(_used(channel, 30) for channel in ("app", "web", "branch")),
    ),
)
