"""Randomised contacts as the bank's own history shows them, where it drew by chance whom to contact."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import load_catalogue
from features.eligibility import eligible
from features.errors import RefusedError
from features.history.cut import Cut
from features.home import Home
from features.labels import Outcome
from features.settings import Settings
from features.snapshots import Generation, current_generation, read_snapshot
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue, Product
from training.datasets import outcomes_at
from training.specs import ModelSpec
from training.split import bucket
from training.uplift.responses import CHANNEL, CONTACT_COLUMNS, PROBABILITY, PRODUCT, TREATED

__all__ = ["CONTACT_DAYS", "campaign_contacts"]

CONTACT_DAYS = 28
"""A contact belongs to the snapshot at most so many days before it: no month is shorter."""

_AGAIN_DAYS = 365
"""Whoever accepted an offer about a product is not offered it again so soon."""


def campaign_contacts(
    home: Home, spec: ModelSpec, settings: Settings, tell: Callable[[str], None], *, controls: int = 5
) -> pd.DataFrame:
    """Contacts of the bank's own campaigns and, beside them, eligible customers without one.

    Right only where the bank drew by chance whom to contact among those who were eligible and had
    consented: the probability is taken to be the share of them who were contacted about the product
    after the snapshot. `training.uplift.model` refuses a log in which features tell who was contacted.
    Where decisions are logged with their probabilities, that log is the better source.

    Parameters
    ----------
    spec
        RESPONSE takes contacts about products that the customer did not have and could take up;
        RETENTION those about products that the customer held.
    controls
        Customers without the contact to keep for each contacted one, drawn by a hash of their id; the
        probability accounts for it.

    Returns
    -------
    DataFrame
        As `response_set` takes it.

    Raises
    ------
    RefusedError
        If history holds no such contact at any snapshot.
    """
    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    moments = [m for m in generation.snapshots if m + timedelta(days=CONTACT_DAYS) <= generation.as_of]
    found = []
    for outcome in outcomes_at(home, spec, generation, moments, settings):
        tell(f"{spec.name}: contacts after {outcome.as_of:%Y-%m-%d}")
        found.append(_choices(home, generation, outcome, spec, catalogue))
    rows = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=CONTACT_COLUMNS)
    if not rows[TREATED].any():
        raise RefusedError(
            f"{spec.name}: history holds no campaign contact at {len(moments)} snapshots; cure: import the "
            "bank's contacts (table interactions), or let stated priors stand"
        )
    return _sampled(rows, controls)


def _choices(
    home: Home, generation: Generation, outcome: Outcome, spec: ModelSpec, catalogue: Catalogue
) -> pd.DataFrame:
    """For every product whom a campaign could reach, and by which channel it did (null: not)."""
    snapshot = read_snapshot(home, outcome.as_of, generation)
    snapshot = snapshot[snapshot["consent_marketing"] == 1]
    met, had = _contacted(outcome), _accepted(outcome)
    parts = [pd.DataFrame(columns=CONTACT_COLUMNS)]
    for product in catalogue.products.values():
        reached = met.loc[met["product"] == product.name, [CUSTOMER_ID, "channel"]]
        may = _may(snapshot, product, held=spec.definition == "closure")
        may &= ~snapshot[CUSTOMER_ID].isin(had.loc[had["product"] == product.name, CUSTOMER_ID]).to_numpy()
        who = pd.DataFrame({CUSTOMER_ID: snapshot[CUSTOMER_ID].to_numpy(dtype=object)[may]})
        who = who.merge(reached, how="left", on=CUSTOMER_ID).rename(columns={"channel": CHANNEL})
        who[PRODUCT], who[AS_OF] = product.name, pd.Timestamp(outcome.as_of).as_unit("us")
        who[TREATED], who[PROBABILITY] = who[CHANNEL].notna().astype("float64"), np.nan
        if who[TREATED].any():
            parts.append(who[list(CONTACT_COLUMNS)])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _may(snapshot: pd.DataFrame, product: Product, *, held: bool) -> NDArray[np.bool_]:
    """Who holds a product, or may newly take it."""
    names = [str(c) for c in snapshot if str(c).startswith("holds_")]
    columns = {c: snapshot[c].to_numpy(np.float64, na_value=np.nan) for c in (*names, "age_years")}
    if held:
        return np.asarray(columns[f"holds_{product.name}"] > 0)
    return eligible(columns | {"kind": snapshot["kind"].to_numpy(dtype=object)}, product)


def _contacted(outcome: Outcome) -> pd.DataFrame:
    """customer_id, product, channel of the first campaign contact about each product after the snapshot."""
    met = _campaigns(outcome.at(outcome.as_of + timedelta(days=CONTACT_DAYS)))
    met = met[met["at"] >= outcome.as_of].sort_values(["at", "interaction_id"])
    return met.drop_duplicates([CUSTOMER_ID, "product"])


def _accepted(outcome: Outcome) -> pd.DataFrame:
    """customer_id, product of offers that were accepted in the year before the snapshot."""
    met = _campaigns(outcome.before())
    since = outcome.as_of - timedelta(days=_AGAIN_DAYS)
    return met[(met["response"] == "accepted") & (met["at"] >= since)]


def _campaigns(cut: Cut) -> pd.DataFrame:
    met = cut.interactions
    met = met.filter(met.kind == "campaign", met.direction == "out", met["product"].notnull())
    columns = (CUSTOMER_ID, "product", "channel", "at", "interaction_id", "response")
    frame: pd.DataFrame = met.select(*columns).to_pandas()
    return frame


def _sampled(rows: pd.DataFrame, controls: int) -> pd.DataFrame:
    """Every contacted row and, of the same snapshot and product, so many of the others.

    The others get channels with the contacted customers' shares, so that a channel says nothing of
    whether there was a contact.
    """
    key = rows[CUSTOMER_ID] + ":" + rows[AS_OF].dt.strftime("%Y-%m-%d") + ":" + rows[PRODUCT]
    draw, turn = bucket(key, "controls"), bucket(key, "channel")
    parts = [pd.DataFrame(columns=CONTACT_COLUMNS)]
    for _, of_one in rows.groupby([AS_OF, PRODUCT]):
        contacted = of_one[TREATED].to_numpy() == 1
        kept = min(1.0, controls * contacted.sum() / max(1, (~contacted).sum()))
        drawn = contacted | (draw[of_one.index] < kept)
        if drawn.sum() == contacted.sum():
            continue  # nobody to compare with
        words, times = np.unique(of_one[CHANNEL].to_numpy(dtype=object)[contacted], return_counts=True)
        place = np.searchsorted(np.cumsum(times) / times.sum(), turn[of_one.index], "right")
        channel = of_one[CHANNEL].fillna(pd.Series(words[np.minimum(place, len(words) - 1)], of_one.index))
        found = of_one.assign(**{CHANNEL: channel})[drawn]
        found[PROBABILITY] = contacted.sum() / drawn.sum()
        parts.append(found)
    return pd.concat(parts[1:] or parts, ignore_index=True)
