"""Events as strict types: contacts and bookings that count in the next answer."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from features.vocabulary import CATEGORIES, CHANNELS
from serving.api.decisions import Id, Moment
from serving.api.schemas import CustomerId, Strict

__all__ = ["Booking", "Contact", "EventResult", "EventsAnswer", "EventsRequest", "as_row"]

MAX_EVENTS = 100
"""Events of one question: each customer among them takes some hundredths of a second."""

_MOST = 1e13
"""No amount of money, in major units, is larger."""


def _cents(amount: float) -> float:
    if abs(amount * 100 - round(amount * 100)) > 1e-3:
        raise ValueError("not whole cents")
    return amount


Text = Annotated[str, Field(min_length=1, max_length=128)]
Money = Annotated[float, Field(ge=-_MOST, le=_MOST), AfterValidator(_cents)]
Channel = Annotated[str, Field(pattern=f"^({'|'.join(CHANNELS)})$")]
Category = Annotated[str, Field(pattern=f"^({'|'.join(CATEGORIES)})$")]


class Contact(Strict):
    """The customer and the bank have met: a row of the history table `interactions`.

    `direction` is `in` where the customer came. `response` belongs to a campaign, `rating` (0 to 10) to a
    survey, `resolved_at` to a complaint; `cost` is what the contact cost the bank. `known_at` is when the
    bank came to know of it, `at` if left out.
    """

    event_id: Id
    customer_id: CustomerId
    at: Moment
    kind: Literal["campaign", "call", "visit", "complaint", "survey", "session"]
    channel: Channel
    direction: Literal["in", "out"] = "in"
    product: Text | None = None
    response: Literal["none", "opened", "accepted", "refused", "opted_out"] | None = None
    rating: Annotated[float, Field(ge=0, le=10)] | None = None
    resolved_at: Moment | None = None
    cost: Annotated[Money, Field(ge=0)] | None = None
    known_at: Moment | None = None


class Booking(Strict):
    """Money has moved: a row of the history table `transactions`.

    `amount` is in major units of `currency`, negative where money leaves; `balance_after` is the
    holding's balance after it.
    """

    event_id: Id
    customer_id: CustomerId
    at: Moment
    kind: Literal["booking"]
    holding_id: Text
    amount: Money
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    category: Category
    channel: Channel | None = None
    counterparty: Text | None = None
    balance_after: Money | None = None
    known_at: Moment | None = None


Happened = Annotated[Contact | Booking, Field(discriminator="kind")]


def _distinct(events: list[Contact | Booking]) -> list[Contact | Booking]:
    if len({event.event_id for event in events}) < len(events):
        raise ValueError("an event_id occurs twice")
    return events


class EventsRequest(Strict):
    """Events in any order, each with an id of its own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {
                            "event_id": "crm-90771",
                            "customer_id": "C000123",
                            "at": "2026-01-02T09:30:00Z",
                            "kind": "complaint",
                            "channel": "call",
                        }
                    ]
                }
            ]
        }
    )

    events: Annotated[list[Happened], Field(min_length=1, max_length=MAX_EVENTS), AfterValidator(_distinct)]


class EventResult(Strict):
    """What became of one event.

    `status`: `applied` (the next answer counts it), `accepted` (stored, and counted soon), `known` (sent
    before: no effect), `changed` (refused: the id is stored with another content), `unknown_customer`, or
    `quarantined`, where it breaks the rule that `reason` names, such as `in_future:at`. The last three are
    not stored.
    """

    event_id: str
    status: Literal["applied", "accepted", "known", "changed", "unknown_customer", "quarantined"]
    reason: str


class EventsAnswer(Strict):
    """One result an event, in the order they came."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "01KE0000000000000000000002",
                    "results": [{"event_id": "crm-90771", "status": "applied", "reason": ""}],
                }
            ]
        }
    )

    request_id: str
    results: list[EventResult]


def as_row(event: Contact | Booking) -> dict[str, Any]:
    """The event as a row of its history table, money in cents."""
    row = {name: value for name, value in dict(event).items() if value is not None}
    for name in ("amount", "balance_after", "cost"):
        if name in row:
            row[name] = round(row[name] * 100)
    event_id = row.pop("event_id")
    if isinstance(event, Booking):
        del row["kind"]
        return {"transaction_id": event_id, **row}
    return {"interaction_id": event_id, **row}
