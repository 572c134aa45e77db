"""Champions, catalogue and features change while answers are given: each answer is of one of each."""

import asyncio
import gc
import json
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from features.errors import NotReadyError
from features.home import Home
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.columns import from_frame
from serving.deciding.adviser import adviser_of
from serving.live import load_live
from serving.swap import Swapper, signs_of, warmed
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online
from training.artifact import Model, save_model
from training.versions.champions import Champions, ModelVersion
from training.versions.sealed import write_sealed

WITHIN_S = 30
FLIPS = 20
IDS = [f"C{i:04d}" for i in range(150)]
"""More than are answered in one step."""


def _now() -> datetime:
    return datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Bank:
    """A served bank; `move` makes a version of churn the champion."""

    home: Home
    swapper: Swapper
    versions: dict[int, ModelVersion]

    def move(self, number: int) -> None:
        Champions(self.home).move("promote", self.versions[number], ("test",), who="ada", at=AS_OF)

    def serve(self) -> Any:
        return create_app(Desk(self.swapper.current), _now)

    def ask(self, *ids: str) -> Any:
        answers = asyncio.run(_post(self.serve(), "/v1/scores", [{"customer_ids": list(ids)}]))
        assert answers[0].status_code == 200, answers[0].text
        return answers[0].json()


async def _post(app: Any, path: str, bodies: list[Any]) -> list[httpx.Response]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bank") as client:
        return await asyncio.gather(*(client.post(path, json=body) for body in bodies))


def _calmer(model: Model) -> Model:
    """The same trees with other probabilities."""
    heads = [replace(head, calibration={"slope": 0.5, "intercept": -2.0}) for head in model.heads]
    return replace(model, heads=tuple(heads), definition="churn_calmer")


def _seal(home: Home, number: int, model: Model) -> ModelVersion:
    run = f"again{number}"
    return ModelVersion("churn", number, run, save_model(Champions(home).folder(run), model))


@pytest.fixture(scope="module")
def rehearsed(models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notes of one rehearsal of all models, which hold for the same bytes in any home."""
    home = Home(tmp_path_factory.mktemp("rehearsed"))
    champions = Champions(home)
    versions = [_seal(home, number, model) for number, model in enumerate(models.values(), 3)]
    for number, change in enumerate((_calmer, _renamed, _retyped), 10):
        versions.append(_seal(home, number, change(models["churn"])))
    champions.rehearse(versions)
    return home.artifacts / "rehearsed"


@pytest.fixture
def bank(home: Home, frame: pd.DataFrame, models: dict[str, Model], rehearsed: Path) -> Iterator[Bank]:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    shutil.copytree(rehearsed, home.artifacts / "rehearsed")
    versions = {1: Champions(home).champion("churn"), 2: _seal(home, 2, _calmer(models["churn"]))}

    def load() -> Any:
        return warmed(adviser_of(load_live(home, None, rehearsed=True), home, "pepper"))

    swapper = Swapper(load, lambda: signs_of(home))
    try:
        yield Bank(home, swapper, versions)
    finally:
        swapper.stop()
        gc.unfreeze()


def _wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two questions, not for timing


def _flip(bank: Bank, frames: dict[str, pd.DataFrame], done: threading.Event) -> None:
    """FLIPS promotions and rollbacks in turn, with new features between them."""
    try:
        for turn in range(FLIPS):
            if turn % 2:
                Champions(bank.home).rollback("churn", who="ada", at=AS_OF)
            else:
                bank.move(2)
            if turn % 5 == 4:
                name = sorted(frames)[1 - turn // 5 % 2]
                put_online(bank.home, frames[name], name, AS_OF)
            bank.swapper.look()
    finally:
        done.set()


async def _load(app: Any, done: threading.Event) -> list[Any]:
    answers = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bank") as client:
        while not done.is_set():
            both = (("scores", IDS), ("offers", IDS[:3]), ("scores", IDS[:2]))
            asked = [client.post(f"/v1/{path}", json={"customer_ids": ids}) for path, ids in both]
            answers += await asyncio.gather(*asked)
    return answers


def _expected(bank: Bank, frames: dict[str, pd.DataFrame]) -> dict[tuple[str, str], list[float | None]]:
    """Probabilities of IDS by version and generation."""
    found = {}
    scorer = bank.swapper.current().live.scorer
    for version in bank.versions.values():
        model = Champions(bank.home).load(version)
        scorer = replace(scorer, models={**scorer.models, "churn": (model, version)})
        for name, rows in frames.items():
            scores = scorer.score(from_frame(rows.head(len(IDS)))).values["churn"]
            found[scorer.versions["churn"], name] = [None if p != p else p for p in scores.tolist()]
    return found


def test_flips_of_champion_and_features_under_load_fail_nobody_and_are_never_mixed(
    bank: Bank, frame: pd.DataFrame
) -> None:
    richer = frame.assign(balance_total=frame["balance_total"] + 300_000)
    frames = {"2026-01-01.1": frame, "2026-01-01.2": richer}
    expected, done = _expected(bank, frames), threading.Event()
    flipping = threading.Thread(target=_flip, args=(bank, frames, done))
    flipping.start()
    answers = asyncio.run(_load(bank.serve(), done))
    flipping.join()
    assert {answer.status_code for answer in answers} == {200}
    told = [answer.json() for answer in answers]
    for answer in (a for a in told if "policy" not in a):
        of = answer["models"]["churn"], answer["feature_generation"]
        churn = [r["churn"] and r["churn"]["probability"] for r in answer["results"]]
        assert churn == expected[of][: len(churn)]
    assert {answer["feature_generation"] for answer in told} == set(frames)
    assert {answer["models"]["churn"][:8] for answer in told} == {"churn/1 ", "churn/2 "}
    assert bank.swapper.refused == 0 and bank.swapper.swaps > FLIPS


def test_a_promotion_a_rollback_and_an_edited_catalogue_reach_who_serves(bank: Bank) -> None:
    bank.swapper.current()
    bank.swapper.start()
    bank.move(2)
    _wait_for(lambda: bank.ask("C0001")["models"]["churn"].startswith("churn/2 "))
    Champions(bank.home).rollback("churn", who="ada", at=AS_OF)
    _wait_for(lambda: bank.ask("C0001")["models"]["churn"].startswith("churn/1 "))
    before = bank.swapper.current().live.scorer.catalogue.version
    text = bank.home.catalogue.read_text()
    bank.home.catalogue.write_text(text.replace('label = "', 'label = "New ', 1))
    _wait_for(lambda: bank.swapper.current().live.scorer.catalogue.version != before)
    assert bank.swapper.age < WITHIN_S


def test_memory_stays_as_it_is_over_many_flips(bank: Bank) -> None:
    counts, advisers = [], []
    for turn in range(12):
        bank.move(2 - turn % 2)
        bank.swapper.look()
        bank.swapper.current().live.answer(IDS, with_reasons=True)
        advisers.append(weakref.ref(bank.swapper.current()))
        counts.append(gc.get_freeze_count())
    gc.collect()
    assert [ref() is not None for ref in advisers] == [False] * 11 + [True]
    assert counts[-1] < counts[2] * 1.005


def _refused(bank: Bank, why: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is in the ledger now is refused, told, counted, and version 1 serves on, also readiness."""
    before = bank.swapper.refused
    bank.swapper.look()
    assert bank.swapper.refused == before + 1
    assert why in caplog.text
    answer = bank.ask(*IDS[:2])
    assert answer["models"]["churn"].startswith("churn/1 ")
    assert Desk(bank.swapper.current).ready()
    bank.swapper.look()
    assert bank.swapper.refused == before + 1, "nothing changed, so it is not tried at once again"
    Champions(bank.home).rollback("churn", who="ada", at=AS_OF)
    bank.swapper.look()
    assert bank.swapper.refused == before + 1


def _append_unchecked(bank: Bank, version: ModelVersion) -> None:
    """The ledger as if whoever wrote it had looked at nothing."""
    from training.versions import ledger

    ledger.append(
        Champions(bank.home).ledger,
        at=AS_OF + timedelta(days=1),
        who="ada",
        action="promote",
        model=version.name,
        version=version.version,
        run_id=version.run_id,
        sha256=version.sha256,
        reasons=("unchecked",),
    )


@pytest.mark.parametrize("name", ["heads/churn.txt", "model.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "bit"])
def test_a_promoted_model_whose_files_are_damaged_is_refused_and_the_old_one_serves(
    bank: Bank, caplog: pytest.LogCaptureFixture, name: str, damage: str
) -> None:
    bank.swapper.current()
    bank.move(2)
    path = Champions(bank.home).folder(bank.versions[2].run_id) / name
    whole = path.read_bytes()
    flipped = bytes([*whole[:40], whole[40] ^ 4, *whole[41:]])
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else flipped)
    _refused(bank, "not the", caplog)


@pytest.mark.parametrize("name", ["model.pkl", "MLmodel", "code/loader.py"])
def test_a_foreign_file_beside_a_promoted_model_is_refused_and_never_run(
    bank: Bank, caplog: pytest.LogCaptureFixture, tmp_path: Path, name: str
) -> None:
    bank.swapper.current()
    bank.move(2)
    path = Champions(bank.home).folder(bank.versions[2].run_id) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"loader_module: loader\nopen({str(tmp_path / 'ran')!r}, 'w')")
    _refused(bank, "files that the manifest does not list", caplog)
    assert not (tmp_path / "ran").exists()


def test_a_model_that_kills_its_loader_kills_a_child_and_the_old_one_serves(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    bank.swapper.current()
    folder = Champions(bank.home).folder(bank.versions[2].run_id)
    about = (folder / "model.json").read_bytes()
    trees = (folder / "heads" / "churn.txt").read_bytes()
    torn = {"heads/churn.txt": trees[: int(trees.index(b"end of trees") * 0.9)], "model.json": about}
    folder = Champions(bank.home).folder("torn")
    _append_unchecked(bank, ModelVersion("churn", 3, "torn", write_sealed(folder, torn)))
    _refused(bank, "kills the process that loads it", caplog)


def _renamed(model: Model) -> Model:
    first, *rest = model.features
    return replace(model, features=(replace(first, name="balance_of_old"), *rest))


def _retyped(model: Model) -> Model:
    first, *rest = model.features
    return replace(model, features=(replace(first, dtype="float64"), *rest))


@pytest.mark.parametrize("change", [_renamed, _retyped])
def test_a_model_that_does_not_fit_the_online_features_is_refused_until_they_fit(
    bank: Bank,
    caplog: pytest.LogCaptureFixture,
    models: dict[str, Model],
    change: Callable[[Model], Model],
) -> None:
    bank.swapper.current()
    version = _seal(bank.home, 3, change(models["churn"]))
    Champions(bank.home).move("promote", version, ("test",), who="ada", at=AS_OF)
    _refused(bank, "model 'churn': the online features lack", caplog)


def test_features_that_fit_bring_a_refused_model_into_force(
    bank: Bank, models: dict[str, Model], frame: pd.DataFrame
) -> None:
    bank.swapper.current()
    version = _seal(bank.home, 3, _renamed(models["churn"]))
    Champions(bank.home).move("promote", version, ("test",), who="ada", at=AS_OF)
    bank.swapper.look()
    assert bank.ask("C0001")["models"]["churn"].startswith("churn/1 ")
    put_online(bank.home, frame.assign(balance_of_old=frame["balance_total"]), "2026-01-01.2", AS_OF)
    assert bank.ask("C0001")["feature_generation"] == "2026-01-01.2"
    bank.swapper.look()
    assert bank.ask("C0001")["models"]["churn"].startswith("churn/3 ")


def test_with_nothing_to_fall_back_on_it_is_not_ready_and_says_why(
    bank: Bank,
) -> None:
    bank.home.online_db.unlink()
    with pytest.raises(NotReadyError, match="no online features yet"):
        bank.swapper.current()
    assert not Desk(bank.swapper.current).ready()
    assert bank.swapper.refused >= 1 and bank.swapper.swaps == 0


def test_an_error_that_is_not_ours_is_told_by_its_kind_alone(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Any:
        return json.loads("C0001 4111111111111111")

    swapper = Swapper(load, lambda: 1)
    with pytest.raises(NotReadyError, match=r"cannot be loaded \(JSONDecodeError\)"):
        swapper.current()
    assert "4111" not in caplog.text
