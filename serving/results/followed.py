"""Decisions beside what followed on them in time, one row a decision, and what each one earned."""

import sys

import numpy as np
import pandas as pd

from features.database.address import Where
from features.database.frames import frames
from features.errors import NotReadyError
from serving.log.decisions import open_log

__all__ = ["Followed", "followed"]

Followed = pd.DataFrame
"""The columns of `followed`."""

_REPEATED = (
    *("campaign", "kind", "arm", "option", "action", "product", "currency", "models"),
    *("as_of", "decided_at"),
)
_DECIDED = (
    *("decision_id", "customer_id", *_REPEATED, "rank", "arm_probability", "probability"),
    *("expected_value", "stake", "value", "contact_cost", "incentive", "window_days"),
)
_KINDS = ("shown", "accepted", "refused", "complained", "opted_out", "left")
_CHUNK = 100_000
_SILENT = pd.Timedelta(days=7)
"""What happened may be that long unknown, or rare, at the end of a window."""

# An outcome that is early or late does not join. What was bought without a price of its own has the
# decision's stake, once, if it is what the decision was about.
_OWN = "o.product IN ('', d.product)"


def _any(condition: str) -> str:
    """1 where a condition holds for one row of a group at least, else 0."""
    return f"max(CASE WHEN {condition} THEN 1 ELSE 0 END)"


_QUERY = f"""
WITH found AS (
    SELECT o.decision_id AS of_decision, max(o.known_at) AS known_at,
        {", ".join(_any(f"o.kind = '{kind}'") + f' AS "{kind}"' for kind in _KINDS)},
        {_any(f"o.kind = 'bought' AND (d.kind <> 'list' OR {_OWN})")} AS taken,
        sum(CASE WHEN o.kind = 'bought' THEN o.amount END) AS priced,
        {_any(f"o.kind = 'bought' AND o.amount IS NULL AND {_OWN}")} AS unpriced
    FROM timed o JOIN decisions d ON d.decision_id = o.decision_id
    WHERE o.campaign = ? AND o.flag = '' GROUP BY o.decision_id
)
SELECT {", ".join(f"d.{name}" for name in _DECIDED)},
    {", ".join(f'coalesce("{name}", 0) AS "{name}"' for name in (*_KINDS, "taken", "unpriced"))},
    coalesce(priced, 0.0) AS priced, known_at
FROM decisions d LEFT JOIN found ON of_decision = d.decision_id
WHERE d.campaign = ? ORDER BY d.rank, d.decision_id
"""


def followed(where: Where, campaign: str) -> Followed:
    """What followed on every decision of a campaign.

    Returns
    -------
    DataFrame
        Of each decision its fields that matter here, and
        shown, accepted, refused, complained, opted_out, left, taken
            bool: whether it happened within the window; `taken` is that the list's product was bought,
            of a plan and live that anything was.
        cost
            Of contact and incentive, in major units; a campaign that tells of no contact that was shown
            is taken to have made all of its contacts.
        profit
            What was bought, less what left with the customer, less the cost.
        open
            bool: whether the window went on, by more than a week, when the log heard of the last outcome of
            all: then what follows is not whole.
        known_at
            When the last outcome was known, ISO 8601 in UTC; missing where there is none.

    Raises
    ------
    NotReadyError
        If the campaign is unknown, or has no outcome that counts.
    """
    with open_log(where, only_read=True) as log:
        chunks = frames(log, _QUERY, (campaign, campaign), _CHUNK)
        frame = pd.concat([_lean(chunk) for chunk in chunks], ignore_index=True)
        [(heard,)] = log.execute("SELECT max(known_at) FROM outcomes").fetchall()
    if frame.empty:
        raise NotReadyError(
            f"{where}: no campaign '{campaign}'; cure: `tenure lists pull` prints a list's id"
        )
    if frame["known_at"].isna().all():
        raise NotReadyError(
            f"campaign '{campaign}' has no outcomes yet; cure: run `tenure outcomes import`"
        )
    frame["open"] = _ends(frame) > pd.Timestamp(str(heard)) + _SILENT
    acted = frame["action"].ne("")
    reached = frame["shown"] if frame["shown"].any() else acted
    frame["cost"] = frame["contact_cost"] * reached + frame["incentive"] * frame["accepted"]
    worth = frame["value"].astype(np.float64).fillna(frame["stake"])
    bought = frame.pop("priced") + frame["stake"] * frame.pop("unpriced")
    frame["profit"] = bought - worth * frame["left"] - frame["cost"]
    return frame


def _ends(frame: pd.DataFrame) -> pd.Series:
    """When each decision's window ends, (n,), in UTC."""
    decided = pd.to_datetime(frame["decided_at"], utc=True, format="ISO8601")
    return decided + pd.to_timedelta(frame["window_days"], unit="D")


def _lean(chunk: pd.DataFrame) -> pd.DataFrame:
    """Words that repeat are kept once: a campaign may be about millions."""
    for name in _REPEATED:
        chunk[name] = [sys.intern(word) for word in chunk[name]]
    for name in (*_KINDS, "taken"):
        chunk[name] = chunk[name].astype(bool)
    return chunk
