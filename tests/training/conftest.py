import shutil
from collections.abc import Callable

import pytest

from features.home import Home
from tests.training.examples import CURRENCY, fit_quickly, make_set, quick
from training.datasets import TrainingSet
from training.fit import Fitted
from training.pipeline import TrainResult, train_on
from training.registry import Registry
from training.specs import CHURN, PROPENSITY, VALUE


@pytest.fixture(scope="session")
def churn_set() -> TrainingSet:
    return make_set(CHURN)


@pytest.fixture(scope="session")
def value_set() -> TrainingSet:
    return make_set(VALUE)


@pytest.fixture(scope="session")
def propensity_set() -> TrainingSet:
    return make_set(PROPENSITY)


@pytest.fixture(scope="session")
def churn_fitted(churn_set: TrainingSet) -> Fitted:
    return fit_quickly(CHURN, churn_set)


@pytest.fixture(scope="session")
def value_fitted(value_set: TrainingSet) -> Fitted:
    return fit_quickly(VALUE, value_set)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Home]:
    """Homes with a fresh tracking database; making one takes seconds, so they are copies of one."""
    first = tmp_path_factory.mktemp("first") / "bank"
    Registry(Home(first))._client()

    def copy() -> Home:
        path = tmp_path_factory.mktemp("home") / "bank"
        shutil.copytree(first, path)
        return Home(path)

    return copy


@pytest.fixture
def home(new_home: Callable[[], Home]) -> Home:
    return new_home()


@pytest.fixture(scope="module")
def trained(new_home: Callable[[], Home], churn_set: TrainingSet) -> tuple[Home, TrainResult]:
    home = new_home()
    result = train_on(
        home, quick(CHURN), churn_set, currency=CURRENCY, threads=1, seed=7, tell=lambda _: None
    )
    return home, result
