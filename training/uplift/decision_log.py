"""Contacts that the bank's own decisions left to chance: the random arm of its plans.

Within that arm every allowed option and doing nothing are drawn alike. Of k allowed options the one that
was drawn is a contact; who got nothing stands for one of the k, drawn by a hash. So a row about an option
was a contact with the probability k / (k + 1).
"""

import json
from contextlib import closing
from datetime import timedelta

import numpy as np
import pandas as pd

from features.catalogue import load_catalogue
from features.database.backend import backend_of
from features.database.frames import frames
from features.home import Home
from features.snapshots import current_generation
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue
from training.specs import ModelSpec
from training.split import bucket
from training.uplift.campaign_log import CONTACT_DAYS
from training.uplift.responses import CHANNEL, CONTACT_COLUMNS, PROBABILITY, PRODUCT, TREATED

__all__ = ["decided_contacts", "without_decided"]

_RANDOM = "random_eligible"
_KINDS = {"uptake": "cross_sell", "closure": "retention"}
_CHUNK = 100_000
_COLUMNS = (CUSTOMER_ID, AS_OF, "kind", "arm", "action", "removed")


def decided_contacts(home: Home, spec: ModelSpec) -> pd.DataFrame:
    """Rows for `response_set` from the random arm of plans made at a snapshot of the current generation."""
    decisions = _decisions(home)
    mine = (decisions["kind"] == "plan") & (decisions["arm"] == _RANDOM)
    mine &= decisions[AS_OF].isin(current_generation(home).snapshots)
    rows = decisions[mine].drop_duplicates([CUSTOMER_ID, AS_OF]).reset_index(drop=True)
    if rows.empty:
        return pd.DataFrame(columns=CONTACT_COLUMNS)
    return _rows(rows, load_catalogue(home.catalogue), _KINDS[spec.definition])


def without_decided(home: Home, contacts: pd.DataFrame) -> pd.DataFrame:
    """Campaign contacts without customers who were under a decision of ours then: that was no chance."""
    decided = _decisions(home)[[CUSTOMER_ID, AS_OF]].drop_duplicates()
    if decided.empty or contacts.empty:
        return contacts
    pairs = contacts[[CUSTOMER_ID, AS_OF]].assign(row=np.arange(len(contacts)))
    pairs = pairs.merge(decided.rename(columns={AS_OF: "by"}), on=CUSTOMER_ID)
    apart = (pairs["by"] - pairs[AS_OF]).abs() < timedelta(days=CONTACT_DAYS)
    under = np.isin(np.arange(len(contacts)), pairs.loc[apart, "row"].to_numpy())
    return contacts[~under].reset_index(drop=True)


def _rows(rows: pd.DataFrame, catalogue: Catalogue, kind: str) -> pd.DataFrame:
    names = {option.name: option for option in catalogue.options}
    gone = [{name for of in json.loads(text).values() for name in of} for text in rows["removed"]]
    allowed = [[name for name in names if name not in without] for without in gone]
    many = np.array([len(left) for left in allowed])
    draw = bucket(rows[CUSTOMER_ID] + ":" + rows[AS_OF].dt.strftime("%Y-%m-%d"), "decided")
    # A catalogue edited since may no longer know the option; then nothing can be said of the row.
    drawn = [
        action or (left[int(place * len(left))] if left else "")
        for action, left, place in zip(rows["action"], allowed, draw, strict=True)
    ]
    told = np.array([name in names and names[name].kind == kind for name in drawn])
    found = pd.DataFrame(
        {
            CUSTOMER_ID: rows[CUSTOMER_ID],
            AS_OF: rows[AS_OF],
            PRODUCT: [names[name].product if name in names else None for name in drawn],
            CHANNEL: [names[name].channel if name in names else None for name in drawn],
            TREATED: (rows["action"] != "").astype("float64"),
            PROBABILITY: many / (many + 1.0),
        }
    )
    return found[told & (many > 0)].reset_index(drop=True)


def _decisions(home: Home) -> pd.DataFrame:
    backend = backend_of(home.decisions_db)
    with backend.errors():
        if not backend.exists():
            empty = pd.DataFrame(columns=_COLUMNS)
            return empty.astype({AS_OF: "datetime64[us, UTC]"})
        with closing(backend.connect()) as log:
            backend.begin(log, only_read=True)
            query = f"SELECT {', '.join(_COLUMNS)} FROM decisions ORDER BY decision_id"
            found = pd.concat(frames(log, query, (), _CHUNK), ignore_index=True)
    return found.assign(**{AS_OF: pd.to_datetime(found[AS_OF], utc=True).dt.as_unit("us")})
