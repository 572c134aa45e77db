"""Decisions beside what followed on them in time, one row a decision, and what each one earned."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import NotReadyError
from serving.log.decisions import open_log

__all__ = ["Followed", "followed"]

Followed = pd.DataFrame
"""The columns of `followed`."""

_REPEATED = ("campaign", "kind", "arm", "option", "action", "product", "currency", "models", "as_of")
_DECIDED = (
    *("decision_id", "customer_id", *_REPEATED, "rank", "arm_probability", "probability"),
    *("expected_value", "stake", "value", "contact_cost", "incentive", "window_days"),
)
_KINDS = ("shown", "accepted", "refused", "complained", "opted_out", "left")
_CHUNK = 100_000

# An outcome that is early or late does not join. What was bought without a price of its own has the
# decision's stake, once, if it is what the decision was about.
_OWN = "o.product IN ('', d.product)"
_QUERY = f"""
WITH found AS (
    SELECT o.decision_id AS of_decision, max(o.known_at) AS known_at,
        {", ".join(f"max(o.kind = '{kind}') AS {kind}" for kind in _KINDS)},
        max(o.kind = 'bought' AND (d.kind <> 'list' OR {_OWN})) AS taken,
        sum(CASE WHEN o.kind = 'bought' THEN o.amount END) AS priced,
        max(o.kind = 'bought' AND o.amount IS NULL AND {_OWN}) AS unpriced
    FROM timed o JOIN decisions d USING (decision_id)
    WHERE o.campaign = :campaign AND o.flag = '' GROUP BY o.decision_id
)
SELECT {", ".join(f"d.{name}" for name in _DECIDED)},
    {", ".join(f"coalesce({name}, 0) AS {name}" for name in (*_KINDS, "taken", "unpriced"))},
    coalesce(priced, 0.0) AS priced, known_at
FROM decisions d LEFT JOIN found ON of_decision = d.decision_id
WHERE d.campaign = :campaign ORDER BY d.rank, d.decision_id
"""


def followed(log_path: Path, campaign: str) -> Followed:
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
        known_at
            When the last outcome was known, ISO 8601 in UTC; missing where there is none.

    Raises
    ------
    NotReadyError
        If the campaign is unknown, or has no outcome that counts.
    """
    if not log_path.is_file():
        raise NotReadyError(f"{log_path}: no decisions yet; cure: run `tenure lists pull`")
    with open_log(log_path, only_read=True) as log:
        chunks = pd.read_sql_query(_QUERY, log, params={"campaign": campaign}, chunksize=_CHUNK)
        frame = pd.concat([_lean(chunk) for chunk in chunks], ignore_index=True)
    if frame.empty:
        raise NotReadyError(
            f"{log_path}: no campaign '{campaign}'; cure: `tenure lists pull` prints a list's id"
        )
    if frame["known_at"].isna().all():
        raise NotReadyError(
            f"campaign '{campaign}' has no outcomes yet; cure: run `tenure outcomes import`"
        )
    acted = frame["action"].ne("")
    reached = frame["shown"] if frame["shown"].any() else acted
    frame["cost"] = frame["contact_cost"] * reached + frame["incentive"] * frame["accepted"]
    worth = frame["value"].astype(np.float64).fillna(frame["stake"])
    bought = frame.pop("priced") + frame["stake"] * frame.pop("unpriced")
    frame["profit"] = bought - worth * frame["left"] - frame["cost"]
    return frame


def _lean(chunk: pd.DataFrame) -> pd.DataFrame:
    """Words that repeat are kept once: a campaign may be about millions."""
    for name in _REPEATED:
        chunk[name] = [sys.intern(word) for word in chunk[name]]
    for name in (*_KINDS, "taken"):
        chunk[name] = chunk[name].astype(bool)
    return chunk
