"""The models as data: what each answers, over which window, by which gates."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = [
    "CHURN",
    "CONTACT_MODELS",
    "MARGIN",
    "PROPENSITY",
    "RESPONSE",
    "RETENTION",
    "SPECS",
    "VALUE",
    "Gates",
    "ModelSpec",
    "spec_for",
]

ModelName = Literal["churn", "value", "propensity", "margin", "response", "retention"]


@dataclass(frozen=True)
class Gates:
    """Bounds that a challenger must keep; judged on the out-of-time test.

    min_positives
        Fewest positives (for value: rows) in the test and in the training rows.
    min_auc
        Floor of the discrimination: AUC for probabilities, normalised Gini for amounts.
    max_auc
        Above this the model is taken for a leak, not for a success.
    slope
        Range of the calibration slope; missed only by more than two of its standard errors.
    coverage
        Range of the share of amounts that the test finds between P10 and P90.
    max_lone_auc
        Above this one feature alone gives the outcome away.
    max_loss
        How far discrimination may fall below the champion's.
    """

    min_positives: int = 30
    min_auc: float = 0.60
    max_auc: float = 0.99
    slope: tuple[float, float] = (0.9, 1.1)
    coverage: tuple[float, float] = (0.7, 0.9)
    max_lone_auc: float = 0.98
    max_loss: float = 0.01


@dataclass(frozen=True)
class ModelSpec:
    """One model family.

    horizon_days, gap_days
        The outcome window is [as_of + gap, as_of + gap + horizon), in days.
    delay_days
        Reporting delay: a label is mature once the window's end lies this far in the past.
    snapshots
        How many monthly snapshots to train on, at most.
    params
        LightGBM parameters beside the objective, which follows from each head.
    effect
        Of what contacts change: the features that it may depend on beside the offer's; empty: all. Few
        outcomes among the contacted cannot tell which of two hundred features matter.
    """

    name: ModelName
    definition: str
    horizon_days: int
    gap_days: int
    delay_days: int = 0
    snapshots: int = 24
    params: Mapping[str, Any] = field(default_factory=dict)
    gates: Gates = Gates()
    effect: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """The Feast feature service that feeds the model; what is about products reads one in common."""
        return f"{self.name if self.name in ('churn', 'value') else 'propensity'}_v1"


# Chosen on the Berka bank over three test snapshots; random thresholds (extra_trees) cost nothing on
# any outcome there and keep small banks from being learned by heart.
_PARAMS: Mapping[str, Any] = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "num_iterations": 250,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "extra_trees": True,
}

CHURN = ModelSpec("churn", "balance_attrition", horizon_days=180, gap_days=14, params=_PARAMS)
VALUE = ModelSpec("value", "realised_margin", horizon_days=360, gap_days=0, params=_PARAMS)
PROPENSITY = ModelSpec("propensity", "uptake", horizon_days=180, gap_days=0, params=_PARAMS)

MARGIN = ModelSpec(
    *("margin", "first_year"),
    horizon_days=270,
    gap_days=0,
    params={**_PARAMS, "num_leaves": 7, "num_iterations": 150, "min_data_in_leaf": 20},
)
"""What a product newly taken earns in a year, of those who take it; learned by `training.margin`."""

# Contacts are many and outcomes few: half as many steps of twice the length cost no Qini.
_CONTACT_PARAMS = {**_PARAMS, "num_iterations": 100, "learning_rate": 0.1}

_EFFECT = (
    *("age_years", "tenure_days", "products_open", "digital_share_180d"),
    *("complaints_open", "complaints_180d", "rating_mean_730d"),
    *("contacts_30d", "contacts_90d", "accepted_365d", "refusals_365d"),
)
"""Who they are, how content, and how often they were approached and what they said.

What marketing knows to move answers to contacts: age and habit, discontent, and being asked too often.
Income and balances are not among them: they say whether the customer wants the product, contacted or not.
"""

RESPONSE = ModelSpec(
    "response", "uptake", horizon_days=90, gap_days=0, params=_CONTACT_PARAMS, effect=_EFFECT
)
"""What a contact about a product changes in taking it up; learned by `training.uplift.model`."""

RETENTION = ModelSpec(
    *("retention", "closure"),
    horizon_days=180,
    gap_days=0,
    params=_CONTACT_PARAMS,
    effect=(*_EFFECT, "leaving_signs", "primacy_score", "balance_trend"),
)
"""What a contact about a product that is held, a retention offer, changes in leaving."""

CONTACT_MODELS = (RESPONSE.name, RETENTION.name)
"""Learned from contacts that were left to chance, whose outcomes are compared."""

SPECS: Mapping[str, ModelSpec] = {
    spec.name: spec for spec in (CHURN, VALUE, PROPENSITY, MARGIN, RESPONSE, RETENTION)
}


def spec_for(name: str, definition: str | None = None) -> ModelSpec:
    """The spec of a model family, with another definition of churn where one is asked for."""
    return SPECS[name] if definition is None else replace(SPECS[name], definition=definition)
