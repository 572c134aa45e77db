"""A run is made again from what it recorded, or what is no longer the same is named."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from features.errors import CorruptError, InputError, NotReadyError, RefusedError
from features.home import Home
from features.settings import Settings
from serving.cli.main import main
from training.pipeline import TrainResult
from training.specs import CHURN
from training.versions.bundle import RECIPE
from training.versions.champions import Champions
from training.versions.recipe import differences, recipe_from, recipe_of
from training.versions.reproduce import reproduce

COMMAND = "import sys; from serving.cli.main import main; main(sys.argv[1:])"


def _run_id(home: Home) -> str:
    return Champions(home).champion("churn").run_id


def _in_a_clean_process(home: Home, threads: int) -> Any:
    words = ["models", "reproduce", _run_id(home), "--home", str(home.path), "--json"]
    environment = {"TENURE_THREADS": str(threads), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_clean_process_with_one_thread_gives_the_same_bytes_and_leaves_the_home_alone(bank: Home) -> None:
    before = set(bank.path.iterdir())
    found = _in_a_clean_process(bank, 1)
    assert (
        found["recorded_sha256"] == found["reproduced_sha256"] == Champions(bank).champion("churn").sha256
    )
    assert set(bank.path.iterdir()) == before


def test_later_features_and_another_catalogue_do_not_change_what_a_run_was_made_of(
    own_bank: tuple[Home, Any],
) -> None:
    home, tenure = own_bank
    text = home.catalogue.read_text()
    home.catalogue.write_text(text.replace("attrition_floor = ", "attrition_floor = 9"))
    assert home.catalogue.read_text() != text
    generation = tenure("features", "build", "--months", "3", "--every", "3")["generation"]
    found = _in_a_clean_process(home, 2)
    assert found["recorded_sha256"] == found["reproduced_sha256"]
    assert json.loads((home.offline / "current.json").read_text())["name"] == generation


def test_a_run_that_comes_out_differently_names_what_is_no_longer_the_same(
    own_bank: tuple[Home, Any],
) -> None:
    home, _ = own_bank
    path = Champions(home).folder(_run_id(home)).parent / RECIPE
    recipe = json.loads(path.read_text())
    recipe |= {"seed": recipe["seed"] + 1, "fingerprint": "f" * 64}
    recipe["libraries"]["lightgbm"] = "0.0.1"
    recipe["code"]["code_sha256"] = "c" * 64
    path.write_text(json.dumps(recipe))
    done = CliRunner().invoke(main, ["models", "reproduce", _run_id(home), "--home", str(home.path)])
    assert done.exit_code == CorruptError.exit_code
    for named in ("data fingerprint ffffffffffff", "code code_sha256", "library lightgbm 0.0.1 is now"):
        assert named in done.stderr


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, threads=1, memory="1GB", salt="s", sample_data=None)


def test_a_run_without_its_generation_or_without_a_record_says_so(
    trained: tuple[Home, TrainResult], settings: Settings, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(trained[0].path, home.path)
    run = trained[1].version.run_id
    with pytest.raises(RefusedError, match="rows from elsewhere"):
        reproduce(home, run, settings, lambda _: None)
    path = Champions(home).folder(run).parent / RECIPE
    recipe = json.loads(path.read_text())
    path.write_text(json.dumps({**recipe, "origin": {"generation": "2020-01-01.1", "catalogue": ""}}))
    with pytest.raises(NotReadyError, match=r"2020-01-01\.1"):
        reproduce(home, run, settings, lambda _: None)
    path.write_text(json.dumps({**recipe, "spec": {"name": "churn"}}))
    with pytest.raises(CorruptError, match="not a recipe"):
        reproduce(home, run, settings, lambda _: None)
    with pytest.raises(NotReadyError, match="not there yet"):
        reproduce(home, "f" * 32, settings, lambda _: None)
    with pytest.raises(InputError, match="not the id of a run"):
        reproduce(home, "../../etc", settings, lambda _: None)


def test_a_recipe_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    recipe = recipe_of(CHURN, None, currency="EUR", seed=3, fingerprint="a")
    assert recipe_from(json.loads(json.dumps(recipe.to_json())), tmp_path) == recipe
    assert differences(recipe, recipe) == []
    assert {"python", "lightgbm", "numpy", "pandas"} <= set(recipe.libraries)
    assert len(recipe.code["code_sha256"]) == 64
