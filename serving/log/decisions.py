"""The decision log: what was decided for whom, by which models, with which chance; append-only."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from operator import attrgetter

from features.database.address import Where
from features.database.backend import Log
from features.database.session import Session
from features.errors import NotReadyError, RefusedError, first_five
from serving.log.schema import prepare_log

__all__ = [
    "CONTROL",
    "LEAVING_DAYS",
    "TARGET",
    "WINDOW_DAYS",
    "Decision",
    "append",
    "latest_campaign",
    "log_session",
    "open_log",
    "read_decisions",
    "record_decisions",
]

TARGET, CONTROL = "target", "control"
WINDOW_DAYS = 90
"""For how long outcomes count, as the model of responses learns them; of all arms the same."""

LEAVING_DAYS = 180
"""The same where retention offers are among the options, as the model of leaving learns them."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision about one customer, also to do nothing; money in major units of `currency`.

    campaign, kind
        The list or plan that it belongs to, or "live"; and which of the three it is.
    rank
        Place on the list; 0 where there is none.
    arm, arm_probability
        The arm that the customer was drawn into, and the chance of that: of a list "target" or
        "control"; of a plan and live what the policy's arm does, such as "champion".
    option
        What was chosen, `<offer>.<channel>`; of a list's control group what would have been.
    action, probability
        What was done, an option or "" for nothing; and the chance, in (0, 1], with which it was done.
    chance, uplift
        P(what the offer is for | contacted), and by how much the contact changes it.
    expected_value
        Incremental, after costs.
    stake
        What hangs on it: the margin of a new holding, or what the customer is worth.
    value
        What the customer is worth, which is lost if the customer leaves; None where not known. It is
        needed wherever arms are compared whose customers get different offers, and so of "" too.
    window_days
        How long after `decided_at` outcomes count.
    basis
        Where the effect comes from: "prior" (stated in the catalogue) or "model" (learned).
    terms
        The personal price that was granted, and the rule behind it in words; "" for none.
    models
        Name, version and hash of the models behind the numbers.
    prices
        The plan whose prices counted, "" for none.
    removed
        JSON: rule -> names of the options that it removed.
    features
        JSON of features that differed from the generation's, as those of a live answer after events;
        all others are the generation's own, which never changes (`serving.log.evidence.features_of`).
    asked_by
        Who first asked for a live decision: a key's id or a token's subject, never a secret; else "".
    as_of, decided_at
        ISO 8601 in UTC. The present of a simulated bank is the end of its history: there `decided_at`
        is the end of history too, since outcomes are timed from it.
    """

    decision_id: str
    campaign: str
    kind: str
    customer_id: str
    rank: int = 0
    arm: str
    arm_probability: float
    option: str
    action: str
    probability: float
    offer: str
    product: str
    channel: str
    chance: float | None = None
    uplift: float | None = None
    expected_value: float
    stake: float
    value: float | None = None
    contact_cost: float
    incentive: float = 0.0
    window_days: int = WINDOW_DAYS
    basis: str
    terms: str = ""
    currency: str
    models: str
    catalogue_version: str
    policy_version: str
    feature_generation: str
    prices: str = ""
    removed: str = "{}"
    features: str = "{}"
    as_of: str
    decided_at: str
    asked_by: str = ""


_NAMES = tuple(f.name for f in fields(Decision))
_IDENTITY = tuple(n for n in _NAMES if n not in ("decided_at", "asked_by"))
_ROW = attrgetter(*_NAMES)
_BATCH = 10_000
_ASKED = 500  # SQLite binds at least 999 values in a statement


_INSERT = (
    f"INSERT INTO decisions ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) "
    "ON CONFLICT (decision_id) DO NOTHING"
)


def log_session(where: Where) -> Session:
    """A connection to the log that may be kept; see `Session.transaction`."""
    return Session(
        where,
        lambda backend, log, place: prepare_log(backend, log, place, Decision),
        "run `tenure lists pull`",
    )


@contextmanager
def open_log(where: Where, *, only_read: bool = False) -> Iterator[Log]:
    """Open the log as one transaction: committed at the end, rolled back by any error.

    What was committed survives a kill and a loss of power.

    Parameters
    ----------
    only_read
        Leave others free to write meanwhile.

    Raises
    ------
    RefusedError
        If it was written in another format.
    NotReadyError, FullError, ConfigError, CorruptError
        See `Session.transaction`.
    """
    with closing(log_session(where)) as session, session.transaction(only_read=only_read) as log:
        yield log


def record_decisions(where: Where, decisions: Iterable[Decision]) -> int:
    """Append decisions, of any number; recording the same ones again changes nothing.

    When it returns, how many were new, all of them are on disk; if it raises, none of them are.

    Raises
    ------
    RefusedError
        If a decision of the same id says something else; nothing is written then.
    NotReadyError, FullError, ConfigError, CorruptError
        See `Session.transaction`.
    """
    source, new = iter(decisions), 0
    with closing(log_session(where)) as session, session.transaction() as log:
        while batch := list(islice(source, _BATCH)):
            new += append(log, batch)
    return new


def append(log: Log, decisions: Sequence[Decision]) -> int:
    """Append decisions within the transaction that is open; the rest is as in `record_decisions`."""
    added: int = log.executemany(_INSERT, map(_ROW, decisions)).rowcount
    # Only where a row was left out can there be one that says something else.
    differing = _differing(log, decisions) if added < len(decisions) else []
    if differing:
        raise RefusedError(
            f"decisions are already recorded otherwise: {first_five(differing)}; "
            "cure: pull a new list, recorded decisions are never changed"
        )
    return added


def read_decisions(where: Where, campaign: str) -> tuple[Decision, ...]:
    """The decisions of one list or plan, by rank and id.

    Raises
    ------
    NotReadyError
        If no such campaign was recorded.
    """
    with open_log(where, only_read=True) as log:
        rows = log.execute(
            f"SELECT {', '.join(_NAMES)} FROM decisions WHERE campaign = ? ORDER BY rank, decision_id",
            (campaign,),
        ).fetchall()
    if not rows:
        raise NotReadyError(
            f"{where}: no campaign '{campaign}'; cure: `tenure lists pull` prints a list's id"
        )
    return tuple(Decision(**dict(zip(_NAMES, row, strict=True))) for row in rows)


def latest_campaign(where: Where) -> str:
    """The list or plan recorded last.

    Raises
    ------
    NotReadyError
        If none was recorded.
    """
    with open_log(where, only_read=True) as log:
        found = log.execute(
            "SELECT campaign FROM decisions WHERE kind <> 'live' ORDER BY rowid DESC LIMIT 1"
        ).fetchone()
    if found:
        return str(found[0])
    raise NotReadyError(f"{where}: no decisions yet; cure: run `tenure lists pull`")


def _differing(log: Log, decisions: Sequence[Decision]) -> list[str]:
    """Ids of decisions that are recorded, and not as they are said now."""
    differing: list[str] = []
    source, said = iter(decisions), attrgetter(*_IDENTITY)
    while part := list(islice(source, _ASKED)):
        places = ", ".join("?" * len(part))
        query = f"SELECT {', '.join(_IDENTITY)} FROM decisions WHERE decision_id IN ({places})"
        found = {row[0]: row for row in log.execute(query, [d.decision_id for d in part]).fetchall()}
        differing += [d.decision_id for d in part if not _same(found[d.decision_id], said(d))]
    return differing


def _same(found: Sequence[object], said: Sequence[object]) -> bool:
    """What is not a number is kept as missing."""
    return all(a == b or (a is None and b != b) for a, b in zip(found, said, strict=True))
