"""A tiny bank for the tests of serving: 400 customers, three real small models, one home."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from features.catalogue import load_catalogue, shipped_catalogue
from features.generations import Generation, serve, write_generation
from features.home import Home
from features.online import OnlineRows
from features.settings import Settings
from features.vocabulary import CREATED
from serving.champions import load_scorer
from serving.scoring import Scorer
from training.artifact import Head, Model, save_model
from training.contract import Feature
from training.versions.champions import Champions, ModelVersion
from training.worth.horizons import Horizon

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
N = 400
PRODUCTS = (
    "current_account",
    "savings_account",
    "card",
    "loan",
    "standing_order",
    "investment",
    "insurance",
)
CHANNELS = ("branch", "atm", "app", "web", "call", "email", "mail")
FEATURES = (
    Feature("balance_total", "int64", None, 150_000.0, "Balance", "cents", False),
    Feature("tenure_days", "int64", None, 900.0, "Time with the bank", "days", False, gaps=False),
    Feature("region", "string", ("north", "south"), None, "Region", "word", False),
    Feature("age_years", "int64", None, 44.0, "Age", "years", True),
)
PARTS = ("interest_margin", "fees", "cost_to_serve", "expected_loss")
HEADS = {
    "churn": {"churn": "probability"},
    "value": {
        **dict.fromkeys(PARTS, "amount"),
        "p10": "quantile",
        "p90": "quantile",
    },
    "propensity": dict.fromkeys(("card", "loan", "savings_account"), "probability"),
}
FACTS: dict[str, Any] = {
    "churn": {"survival": [0.2, 0.35, 0.5, 0.7, 0.85, 1.0]},
    "value": {
        "horizons": [
            Horizon(24, dict(zip(PARTS, (1.7, 1.9, 1.8, 1.6), strict=True)), 300).to_json(),
            Horizon(36, {}, missing="9 more months of history").to_json(),
        ]
    },
}


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"customer_id": [f"C{i:04d}" for i in range(N)]})
    frame["kind"] = np.where(rng.random(N) < 0.1, "business", "person")
    frame["age_years"] = pd.array(rng.integers(16, 90, N), dtype="Int64")
    frame["region"] = rng.choice(["north", "south", None], N)
    frame["preferred_channel"] = rng.choice(["app", "call", "atm", None], N)
    frame["manager_id"] = rng.choice(["M1", None], N)
    frame["gender"] = rng.choice(["female", "male"], N)
    frame["consent_marketing"] = (rng.random(N) < 0.8).astype(int)
    frame["consent_profiling"] = (rng.random(N) < 0.9).astype(int)
    frame["tenure_days"] = rng.integers(100, 3000, N)
    frame["balance_total"] = rng.integers(-50_000, 900_000, N)
    frame["balance_min_3m"] = frame["balance_total"] - 20_000
    for name in ("contacts_30d", "contacts_90d", "refusals_180d", "complaints_open"):
        frame[name] = (rng.random(N) < 0.05).astype(int)
    for product in PRODUCTS:
        frame[f"holds_{product}"] = (rng.random(N) < 0.3).astype(int)
    frame["holds_current_account"] = 1
    refusals = np.random.default_rng(6)  # a stream of its own: what the others draw stays as it is
    for product in PRODUCTS:
        ago = pd.Series(refusals.integers(0, 731, N), dtype="Int64")
        frame[f"days_since_refusal_{product}"] = ago.where(refusals.random(N) < 0.1)
    for channel in CHANNELS:
        frame[f"used_{channel}_180d"] = rng.integers(0, 4, N)
    return frame


def _model(name: str, frame: pd.DataFrame) -> Model:
    facts = FACTS.get(name, {})
    empty = Model(name, f"{name}_test", 180 if name != "value" else 360, 0, "EUR", FEATURES, (), facts)
    from serving.columns import from_frame

    matrix = empty.matrix(from_frame(frame))
    rng = np.random.default_rng(len(name))
    heads = []
    for head, kind in HEADS[name].items():
        pull = np.nan_to_num(matrix[:, 0]) / 4e5 - np.nan_to_num(matrix[:, 3]) / 60
        noisy = pull + rng.normal(0, 0.5, len(matrix))
        params: dict[str, Any] = {"num_leaves": 7, "min_data_in_leaf": 10, "verbose": -1, "num_threads": 1}
        if kind == "probability":
            target, params["objective"] = (noisy > np.median(noisy)).astype(float), "binary"
            calibration = {"slope": 1.0, "intercept": -0.5}
        else:
            target, params["objective"], calibration = 100 * noisy, "regression", {"shift": 1.5}
        booster = lightgbm.train(params, lightgbm.Dataset(matrix, target), num_boost_round=8)
        heads.append(Head(head, kind, calibration, booster))
    return replace(empty, heads=tuple(heads))


@pytest.fixture(scope="session")
def models(frame: pd.DataFrame) -> dict[str, Model]:
    return {name: _model(name, frame) for name in HEADS}


@pytest.fixture
def home(tmp_path: Path, frame: pd.DataFrame, models: dict[str, Model]) -> Home:
    """A home with history's catalogue, one generation of features and three champions."""
    return make_home(tmp_path / "bank", frame, models)


def make_home(path: Path, frame: pd.DataFrame, models: dict[str, Model]) -> Home:
    """What `home` is, for fixtures that several tests share."""
    home = Home(path)
    home.catalogue.parent.mkdir(parents=True)
    home.catalogue.write_bytes(shipped_catalogue())
    generation = Generation("2026-01-01.1", AS_OF, (AS_OF,), ("",))
    folder = home.offline / generation.name
    folder.mkdir(parents=True)
    write_generation(folder, generation, {})
    frame.assign(**{CREATED: AS_OF}).to_parquet(folder / "2026-01-01.parquet")
    serve(home, generation)
    champions = Champions(home)
    for number, (name, model) in enumerate(models.items(), 1):
        sha256 = save_model(champions.folder(f"run{number}"), model)
        version = ModelVersion(name, number, f"run{number}", sha256)
        champions.move("promote", version, ("test",), who="test", at=AS_OF)
    return home


@pytest.fixture
def scorer(home: Home) -> Scorer:
    return load_scorer(home)


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home=home.path, threads=1, memory="1GB", salt="pepper", sample_data=None)


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.toml"
    path.write_bytes(shipped_catalogue())
    return load_catalogue(path)


@dataclass(frozen=True)
class MemoryReader:
    """An online store in memory, with the reader's interface."""

    frame: pd.DataFrame
    stale: frozenset[str] = frozenset()
    generation: str = "2026-01-01.1"
    as_of: datetime = AS_OF
    local: bool = True

    def read(self, customer_ids: list[str], now: datetime | None = None) -> OnlineRows:
        from serving.columns import from_frame

        rows = self.frame.set_index("customer_id").reindex(customer_ids)
        known = set(self.frame["customer_id"])
        found = [i in known for i in customer_ids]
        as_of = [AS_OF if ok else None for ok in found]
        stale = [("balances",) if i in self.stale else () for i in customer_ids]
        missing = [() if ok else ("balances",) for ok in found]
        return OnlineRows(from_frame(rows.reset_index(drop=True)), found, as_of, stale, missing)


@pytest.fixture
def memory_reader(frame: pd.DataFrame) -> Callable[..., MemoryReader]:
    def make(**options: Any) -> MemoryReader:
        return MemoryReader(frame, **options)

    return make
