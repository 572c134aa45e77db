import json
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from features.errors import CorruptError, InputError
from training.artifact import load_model, save_model
from training.datasets import TrainingSet
from training.fit import Fitted
from training.versions.sealed import json_bytes, write_sealed


@pytest.fixture
def saved(tmp_path: Path, churn_fitted: Fitted) -> tuple[Path, str]:
    folder = tmp_path / "model"
    return folder, save_model(folder, churn_fitted.model)


@pytest.fixture
def matrix(churn_fitted: Fitted, churn_set: TrainingSet) -> np.ndarray:
    return churn_fitted.model.matrix(churn_set.frame)


def test_a_round_trip_answers_to_the_bit(saved, matrix, churn_fitted) -> None:
    loaded = load_model(*saved)
    assert (loaded.predict(matrix)["churn"] == churn_fitted.model.predict(matrix)["churn"]).all()
    assert loaded.features == churn_fitted.model.features
    assert loaded.training == churn_fitted.model.training


def test_saving_a_loaded_model_gives_the_same_hash(saved, tmp_path: Path) -> None:
    assert save_model(tmp_path / "again", load_model(*saved)) == saved[1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_row_answers_as_in_any_batch(saved, matrix, size: int) -> None:
    model = load_model(*saved)
    rows = matrix[:128]
    whole = model.predict(rows)["churn"]
    parts = [model.predict(rows[i : i + size])["churn"] for i in range(0, len(rows), size)]
    assert (np.concatenate(parts) == whole).all()
    assert ((whole >= 0) & (whole <= 1)).all()


def test_contributions_and_their_bias_add_up_to_the_raw_score(saved, matrix) -> None:
    model = load_model(*saved)
    head = model.head("churn")
    shares = model.contributions("churn", matrix[:50])
    assert shares.shape == (50, len(model.features))
    bias = head.raw(matrix[:50]) - shares.sum(axis=1)
    np.testing.assert_allclose(bias, bias[0], rtol=1e-9)


@pytest.fixture
def untouchable(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightGBM that must not be reached: a broken text would kill the process, not fail the test."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("LightGBM saw bytes that were not verified")

    monkeypatch.setattr(lightgbm, "Booster", reached)


def _truncate(folder: Path) -> None:
    path = folder / "heads" / "churn.txt"
    path.write_bytes(path.read_bytes()[:1000])


def _flip(folder: Path) -> None:
    path = folder / "heads" / "churn.txt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _flip_calibration(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"slope"', '"slopf"', 1))


def _add(folder: Path) -> None:
    (folder / "heads" / "extra.txt").write_text("tree")


def _link(folder: Path) -> None:
    (folder / "extra").symlink_to(folder / "nowhere")


def _remove(folder: Path) -> None:
    (folder / "heads" / "churn.txt").unlink()


def _rewrite_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text() + " ")


def _remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [_truncate, _flip, _flip_calibration, _add, _link, _remove, _rewrite_manifest, _remove_manifest],
)
def test_a_damaged_artifact_is_refused_before_lightgbm_sees_it(saved, untouchable, damage) -> None:
    damage(saved[0])
    with pytest.raises(CorruptError, match="cure"):
        load_model(*saved)


def test_another_versions_hash_is_refused(saved, untouchable) -> None:
    with pytest.raises(CorruptError):
        load_model(saved[0], "0" * 64)


def test_columns_are_put_into_contract_order(churn_fitted: Fitted, churn_set: TrainingSet) -> None:
    frame = churn_set.frame.head(20)
    turned = frame[frame.columns[::-1]]
    model = churn_fitted.model
    np.testing.assert_array_equal(model.matrix(frame), model.matrix(turned))


def test_lists_frames_and_nullable_columns_give_the_same_matrix(churn_fitted, churn_set) -> None:
    frame = churn_set.frame.head(40)
    model = churn_fitted.model
    lists = {
        name: [None if value is None or value != value else value for value in frame[name]]
        for name in frame
    }
    nullable = frame.assign(
        sessions=frame["sessions"].astype("Int64"), noise=frame["noise"].astype("Float64")
    )
    np.testing.assert_array_equal(model.matrix(frame), model.matrix(lists))
    np.testing.assert_array_equal(model.matrix(frame), model.matrix(nullable))


def test_missing_and_unseen_words_are_not_a_number(churn_fitted: Fitted) -> None:
    model = churn_fitted.model
    columns = {
        "balance": [1, None],
        "sessions": [pd.NA, 3],
        "noise": [0.5, 0.1],
        "age_years": [30, 40],
    }
    columns["sessions"] = pd.Series(columns["sessions"], dtype="Int64")
    matrix = model.matrix({**columns, "region": ["atlantis", None]})
    names = [f.name for f in model.features]
    assert np.isnan(matrix[:, names.index("region")]).all()
    assert np.isnan(matrix[1, names.index("balance")])
    assert np.isnan(matrix[0, names.index("sessions")])


def test_a_missing_column_is_named(churn_fitted: Fitted, churn_set: TrainingSet) -> None:
    with pytest.raises(InputError, match="balance"):
        churn_fitted.model.matrix(churn_set.frame.drop(columns="balance"))


def test_words_for_numbers_are_refused_without_their_value(churn_fitted, churn_set) -> None:
    with pytest.raises(InputError, match="'balance'") as refused:
        churn_fitted.model.matrix({**churn_set.frame.head(1), "balance": ["secret"]})
    assert "secret" not in str(refused.value)


def test_a_matrix_of_another_width_is_refused(churn_fitted: Fitted) -> None:
    with pytest.raises(InputError, match="matrix"):
        churn_fitted.model.predict(np.zeros((3, 2)))


def test_a_head_whose_name_leaves_the_folder_is_refused(tmp_path: Path, churn_fitted: Fitted) -> None:
    from dataclasses import replace

    head = replace(churn_fitted.model.heads[0], name="../out")
    with pytest.raises(InputError, match="rename"):
        save_model(tmp_path / "model", replace(churn_fitted.model, heads=(head,)))
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_of_an_older_format_is_refused_with_the_cure(saved, tmp_path: Path) -> None:
    folder, _ = saved
    about = json.loads((folder / "model.json").read_text())
    files = {
        "model.json": json_bytes({**about, "format": 1}),
        "heads/churn.txt": (folder / "heads" / "churn.txt").read_bytes(),
    }
    older = tmp_path / "older"
    with pytest.raises(CorruptError, match=r"format 1, this version reads \d; cure: train again"):
        load_model(older, write_sealed(older, files))
