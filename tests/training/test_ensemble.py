"""Several models by one call answer as each by itself."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from training.artifact import Model
from training.contract import Feature
from training.datasets import TrainingSet
from training.ensemble import Ensemble
from training.fit import Fitted

ROWS = 150


@pytest.fixture(scope="module")
def models(churn_fitted: Fitted, value_fitted: Fitted) -> dict[str, Model]:
    return {"churn": churn_fitted.model, "value": value_fitted.model}


@pytest.fixture(scope="module")
def columns(churn_set: TrainingSet) -> dict[str, list]:
    frame = churn_set.frame.head(ROWS)
    names = [field.name for field in churn_set.fields]
    return {
        n: [None if gone else v for v, gone in zip(frame[n], frame[n].isna(), strict=True)] for n in names
    }


def test_every_model_answers_as_by_itself_to_the_bit(models, columns) -> None:
    ensemble = Ensemble(models)
    coded = ensemble.matrix(columns)
    answers = ensemble.predict(coded)
    for name, model in models.items():
        matrix = model.matrix(columns)
        assert np.array_equal(coded[:, ensemble.places(name)], matrix, equal_nan=True)
        alone = model.predict(matrix)
        assert [head for owner, head in ensemble.heads if owner == name] == list(alone)
        for head, scores in alone.items():
            assert answers[:, ensemble.heads[name, head]].tolist() == scores.tolist()


def test_a_row_is_coded_and_answered_as_in_any_batch(models, columns) -> None:
    ensemble = Ensemble(models)
    coded = ensemble.matrix(columns)
    whole = ensemble.predict(coded)
    for row in range(0, ROWS, 17):
        one = ensemble.matrix({name: [values[row]] for name, values in columns.items()})
        assert one.tobytes() == coded[row : row + 1].tobytes()
        assert ensemble.predict(one).tobytes() == whole[row : row + 1].tobytes()


def test_a_feature_is_coded_once_unless_its_words_differ(models) -> None:
    model = models["churn"]
    assert len(Ensemble({"a": model, "b": model}).matrix(_empty(model))[0]) == len(model.features)
    words = [f for f in model.features if f.levels is not None]
    other = replace(
        model,
        features=tuple(replace(f, levels=("?", *f.levels)) if f.levels else f for f in model.features),
    )
    both = Ensemble({"a": model, "b": other})
    assert both.matrix(_empty(model)).shape == (1, len(model.features) + len(words))


def _empty(model: Model) -> dict[str, list]:
    return {feature.name: [None] for feature in model.features}


def test_lists_and_frames_are_coded_alike(churn_set: TrainingSet, churn_fitted: Fitted, columns) -> None:
    by_frame = churn_fitted.model.matrix(churn_set.frame.head(ROWS))
    assert np.array_equal(churn_fitted.model.matrix(columns), by_frame, equal_nan=True)


def test_a_word_where_a_number_belongs_is_refused_by_name(models) -> None:
    model = models["churn"]
    number = next(f for f in model.features if f.levels is None)
    with pytest.raises(InputError, match=number.name):
        Ensemble(models).matrix({**_empty(model), number.name: ["much"]})


def test_columns_of_different_lengths_are_refused(models) -> None:
    model = models["churn"]
    with pytest.raises(InputError, match="differ in length"):
        model.matrix({**_empty(model), model.features[0].name: [None, None]})


def test_a_missing_column_is_refused_by_name(models) -> None:
    first: Feature = models["churn"].features[0]
    columns = _empty(models["churn"])
    del columns[first.name]
    with pytest.raises(InputError, match=first.name):
        Ensemble(models).matrix(columns)
