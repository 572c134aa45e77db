from dataclasses import replace

import numpy as np
import pandas as pd

from features.families.base import Field
from training.datasets import TrainingSet
from training.fit import Fitted, fit
from training.specs import ModelSpec
from training.split import out_of_time

CURRENCY = "EUR"
PARAMS = {
    "num_leaves": 7,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
}
FIELDS = (
    Field("balance", "float64", "cents", "balance", "Balance", "C2"),
    Field("sessions", "int64", "count", "sessions", "Sessions"),
    Field("noise", "float64", "ratio", "nothing", "Noise", null="null"),
    Field("region", "string", "word", "region", "Region", null="null"),
    Field("age_years", "int64", "years", "age", "Age", protected=True),
)


def quick(spec: ModelSpec, rounds: int = 25) -> ModelSpec:
    return replace(spec, params={**PARAMS, "num_iterations": rounds})


def make_set(spec: ModelSpec, customers: int = 1500, seed: int = 0, snapshots: int = 4) -> TrainingSet:
    """Customers with a risk that their features tell in part; snapshots half a horizon apart."""
    rng = np.random.default_rng(seed)
    step = pd.Timedelta(days=(spec.gap_days + spec.horizon_days + 1) // 2 + 1)
    first = pd.Timestamp("2024-01-01", tz="UTC")
    risk = rng.normal(size=customers)
    region = rng.choice(np.array(["north", "south", "west"]), customers)
    parts = []
    for k in range(snapshots):
        sessions = rng.poisson(np.exp(1 - 0.5 * risk))
        noise = np.where(rng.random(customers) < 0.3, np.nan, rng.normal(size=customers))
        logit = 1.6 * risk - 1.5 + 0.8 * (region == "north")
        frame = pd.DataFrame(
            {
                "customer_id": [f"C{i:06d}" for i in range(customers)],
                "as_of": (first + k * step).as_unit("us"),
                "balance": np.round(100_000 * np.exp(0.3 * rng.normal(size=customers) - 0.6 * risk)),
                "sessions": sessions.astype("float64"),
                "noise": noise,
                "region": np.where(rng.random(customers) < 0.1, None, region),
                "age_years": rng.integers(18, 90, customers).astype("float64"),
            }
        )
        parts.append(frame.assign(**_labels(spec, rng, logit, frame)))
    frame = pd.concat(parts, ignore_index=True)
    labels = tuple(c for c in frame.columns if c not in {f.name for f in FIELDS} | {"customer_id", "as_of"})
    return TrainingSet(frame, FIELDS, labels, f"{seed:064x}")


def _labels(
    spec: ModelSpec, rng: np.random.Generator, logit: np.ndarray, frame: pd.DataFrame
) -> dict[str, np.ndarray]:
    n = len(frame)
    happened = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype("float64")
    if spec.name == "churn":
        return {"churn": happened}
    if spec.name == "propensity":
        rare = np.zeros(n)
        rare[:3] = 1.0
        eligible = rng.random(n) < 0.8
        return {"card": np.where(eligible, happened, np.nan), "loan": rare}
    margin = frame["balance"].to_numpy() / 1000 * rng.lognormal(0, 0.4, n)
    fees, cost = rng.gamma(2.0, 5.0, n), -2.0 * frame["sessions"].to_numpy() - 10
    loss = np.zeros(n)
    parts = {"interest_margin": margin, "fees": fees, "cost_to_serve": cost, "expected_loss": loss}
    return {**parts, "value": margin + fees + cost + loss}


def fit_quickly(
    spec: ModelSpec, examples: TrainingSet, *, threads: int = 1, seed: int = 7, rounds: int = 25
) -> Fitted:
    return fit(
        quick(spec, rounds),
        examples,
        out_of_time(examples.frame, spec),
        currency=CURRENCY,
        threads=threads,
        seed=seed,
        tell=lambda _: None,
    )
