"""What an answer to a contact is worth, from the bank's own history.

- Who opts out is lost to the contacts of a year: how many there are x what one is worth.
- Who complains is likelier to leave: by a logistic regression of leaving within half a year on
  complaints of the month before, given age, time with the bank and holdings; it costs that share of a
  year's margin.

Both count the twelve months that the margin of a new holding counts, so that what a contact gains and what
it costs later are weighed alike.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from features.catalogue import load_catalogue
from features.home import Home
from features.labels import Outcome, churn_outcomes
from features.labels.value import realised
from features.settings import Settings
from features.snapshots import current_generation, read_snapshot
from features.vocabulary import CUSTOMER_ID, Catalogue
from training.datasets import outcomes_at
from training.specs import RETENTION
from training.uplift.fatigue import Stakes
from training.uplift.responses import OUTCOME, PROBABILITY, PRODUCT, TREATED

__all__ = ["contact_worth", "stakes_of"]

_YEAR = 365
_MOMENTS = 4
_LATELY = 30
"""A complaint of so many days before a snapshot is one whose consequences are still to come."""

_CONTROLS = ("age_years", "tenure_days", "products_open", "primacy_score")
_FEWEST = 30


def stakes_of(home: Home, settings: Settings, examples: pd.DataFrame, met: pd.DataFrame) -> Stakes:
    """What is at stake, in major units.

    Parameters
    ----------
    examples
        Rows of RESPONSE (`training.uplift.responses`).
    met
        From `training.uplift.fatigue.contact_rows`.
    """
    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    worth = contact_worth(examples, catalogue)
    until = generation.as_of - timedelta(days=RETENTION.horizon_days)
    moments = [m for m in generation.snapshots if m <= until]
    moments = moments[:: -max(1, len(moments) // _MOMENTS)][:_MOMENTS]
    outcomes = outcomes_at(home, RETENTION, generation, moments, settings)
    left = pd.concat([_left(home, o, catalogue) for o in outcomes], ignore_index=True)
    yearly = float(met[["later_30d", "later_31_90d"]].sum(axis=1).mean()) * _YEAR / 90
    since = generation.as_of - timedelta(days=_YEAR)
    now = Outcome(outcomes[0].connection, generation.as_of, 0, 0, generation.as_of).before()
    # Sums of floats depend on their order, and a query's rows come in any.
    earned = realised(now, since, outcomes[0].at_risk(), catalogue).sort_values(CUSTOMER_ID)["value"].mean()
    return Stakes(
        opted_out=worth * yearly,
        complained=_raised(left) * max(0.0, float(earned)),
    )


def contact_worth(examples: pd.DataFrame, catalogue: Catalogue) -> float:
    """What one contact changes on average, in margin; 0 where history shows no gain.

    Contacted less not contacted by inverse probability, at each product's stated margin.
    """
    treated, p = (examples[c].to_numpy(dtype=np.float64) for c in (TREATED, PROBABILITY))
    margin = examples[PRODUCT].map({n: p.takeup_margin for n, p in catalogue.products.items()})
    earned = examples[OUTCOME].to_numpy(dtype=np.float64) * margin.to_numpy(dtype=np.float64)
    arms = (treated / p, (1 - treated) / (1 - p))
    # Counted as often as contacts were made: who is drawn is whom a contact is worth asking about.
    found = [float(np.sum(w * p * earned) / np.sum(w * p)) for w in arms]
    return max(0.0, found[0] - found[1])


def _left(home: Home, outcome: Outcome, catalogue: Catalogue) -> pd.DataFrame:
    """Who left within the window, with whether he had just complained, and the controls."""
    followed = churn_outcomes(outcome, RETENTION.definition, catalogue)
    followed = followed.loc[followed["excluded"] == "", [CUSTOMER_ID, "churn"]].sort_values(CUSTOMER_ID)
    snapshot = read_snapshot(home, outcome.as_of)
    rows = followed.merge(snapshot, on=CUSTOMER_ID, validate="one_to_one")
    days = rows["days_since_complaint"].astype("float64")
    told = {c: rows[c].astype("float64").fillna(0.0) for c in _CONTROLS}
    return pd.DataFrame({"churn": rows["churn"], "complained": (days < _LATELY).astype("float64"), **told})


def _raised(rows: pd.DataFrame) -> float:
    """By how much a complaint raises the probability of leaving, among those who complained; at least 0."""
    complained = rows["complained"].to_numpy() > 0
    if complained.sum() < _FEWEST or rows["churn"].sum() < _FEWEST:
        return 0.0
    fitted = LogisticRegression(C=1e4, solver="newton-cholesky", max_iter=200)
    fitted.fit(_scaled(rows, ("complained", *_CONTROLS)), rows["churn"])
    theirs = _scaled(rows, ("complained", *_CONTROLS))[complained]
    without = theirs.copy()
    without[:, 0] = 0.0
    raised = fitted.predict_proba(theirs)[:, 1] - fitted.predict_proba(without)[:, 1]
    return max(0.0, float(raised.mean()))


def _scaled(rows: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """The first column as it is, the others to one scale."""
    table = rows[list(names)].astype("float64")
    rest = table.iloc[:, 1:]
    table.iloc[:, 1:] = (rest - rest.mean()) / rest.std(ddof=0).replace(0.0, 1.0)
    return table.to_numpy(dtype=np.float64)
