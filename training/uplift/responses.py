"""Training sets of what contacts change: who was contacted by chance, who was not, and what followed.

One row is one customer, one snapshot and one offer (a product by a channel). Of those who were not
contacted, `channel` is the one by which they would have been.
"""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd

from features.catalogue import load_catalogue
from features.errors import InputError, RefusedError, first_five
from features.families import model_fields
from features.families.base import Field
from features.home import Home
from features.labels import Outcome, churn_outcomes, uptake_labels
from features.settings import Settings
from features.snapshots import Generation, current_generation
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue
from training.datasets import TrainingSet, fingerprint, outcomes_at, typed
from training.specs import ModelSpec

__all__ = [
    "CHANNEL",
    "CONTACT_COLUMNS",
    "OFFER_FIELDS",
    "OUTCOME",
    "PREFERRED",
    "PROBABILITY",
    "PRODUCT",
    "TREATED",
    "response_set",
]

Tell = Callable[[str], None]

PRODUCT, CHANNEL, PREFERRED = "offer_product", "offer_channel", "offer_preferred"
TREATED, PROBABILITY, OUTCOME = "treated", "probability", "outcome"

OFFER_FIELDS = (
    Field(PRODUCT, "string", "word", "product that the contact is about", "Product offered", null="null"),
    Field(CHANNEL, "string", "word", "channel of the contact", "Channel of the offer", null="null"),
    Field(PREFERRED, "int64", "0 or 1", "by the channel that the customer prefers", "Preferred channel"),
)
"""What a response model knows beside the customer's features."""

CONTACT_COLUMNS = (CUSTOMER_ID, AS_OF, PRODUCT, CHANNEL, TREATED, PROBABILITY)
"""What `response_set` takes, one row a contact that was made or might have been."""


def response_set(
    home: Home, spec: ModelSpec, contacts: pd.DataFrame, settings: Settings, tell: Tell
) -> TrainingSet:
    """Join outcomes and features to logged contacts.

    Parameters
    ----------
    spec
        RESPONSE (the outcome is taking the product up) or RETENTION (leaving), within its horizon
        from the snapshot on.
    contacts
        customer_id, as_of (a snapshot of the current generation), offer_product, offer_channel, treated
        (1.0 contacted, 0.0 not) and probability (of having been contacted, strictly between 0 and 1),
        from `training.uplift.campaign_log` or from a log of decisions. Rows whose outcome is not mature
        yet, and customers who cannot have one, are left out.

    Returns
    -------
    TrainingSet
        The fields of all models and OFFER_FIELDS; one label, `outcome`; `treated` and `probability` in
        the frame besides.

    Raises
    ------
    InputError
        If a column is missing, a probability is not strictly between 0 and 1, or as_of is no snapshot.
    RefusedError
        If no outcome is mature.
    """
    from features.store import join_features  # Feast takes seconds, which checks need not wait for

    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    _check(contacts, generation)
    until_mature = timedelta(days=spec.gap_days + spec.horizon_days + spec.delay_days)
    moments = sorted(m for m in contacts[AS_OF].unique() if m + until_mature <= generation.as_of)
    if not moments:
        raise RefusedError(
            f"{spec.name}: no outcome is known yet, {until_mature.days} days after a contact; "
            "cure: wait, or import later history"
        )
    outcomes = outcomes_at(home, spec, generation, moments, settings)
    parts = []
    for outcome in outcomes:
        tell(f"{spec.name}: {spec.definition} after {outcome.as_of:%Y-%m-%d}")
        rows = contacts.loc[contacts[AS_OF] == outcome.as_of, list(CONTACT_COLUMNS)]
        parts.append(_followed(rows, outcome, spec, catalogue))
    left = pd.concat(parts, ignore_index=True)
    tell(f"{spec.name}: joining features to {len(left):,} rows through Feast")
    frame = typed(join_features(home, left, spec.service), catalogue)
    fields = (*model_fields(catalogue), *OFFER_FIELDS)
    return TrainingSet(frame, fields, (OUTCOME,), fingerprint(frame))


def _check(contacts: pd.DataFrame, generation: Generation) -> None:
    if missing := [c for c in CONTACT_COLUMNS if c not in contacts]:
        raise InputError(f"contacts: no column '{missing[0]}'; cure: give {', '.join(CONTACT_COLUMNS)}")
    ids, p = contacts[CUSTOMER_ID], contacts[PROBABILITY].to_numpy(dtype=np.float64)
    if (bad := ~((p > 0) & (p < 1))).any():
        raise InputError(
            f"contacts: probability is not strictly between 0 and 1: {first_five(ids[bad])}; "
            "cure: keep only customers whose contact was left to chance"
        )
    if (strange := ~contacts[AS_OF].isin(generation.snapshots)).any():
        raise InputError(
            f"contacts: as_of is no snapshot of generation {generation.name}: {first_five(ids[strange])}; "
            "cure: `tenure features build --every 1`, or name the snapshot before the contact"
        )


def _followed(rows: pd.DataFrame, outcome: Outcome, spec: ModelSpec, catalogue: Catalogue) -> pd.DataFrame:
    """The rows of one snapshot with what followed; without customers who have no label."""
    likes = outcome.before().customers.select(CUSTOMER_ID, "preferred_channel").to_pandas()
    likes = rows[CUSTOMER_ID].map(likes.set_index(CUSTOMER_ID)["preferred_channel"])
    rows = rows.assign(**{PREFERRED: (rows[CHANNEL] == likes).astype("float64")})
    if spec.definition == "uptake":
        products = [p.name for p in catalogue.offered]
        wide = uptake_labels(outcome, products).melt(CUSTOMER_ID, products, PRODUCT, OUTCOME)
        return rows.merge(wide, on=[CUSTOMER_ID, PRODUCT], validate="many_to_one")
    left = churn_outcomes(outcome, spec.definition, catalogue)
    left = left.loc[left["excluded"] == "", [CUSTOMER_ID, "churn"]].rename(columns={"churn": OUTCOME})
    return rows.merge(left, on=CUSTOMER_ID, validate="many_to_one")
