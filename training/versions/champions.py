"""Which version is in force, and its verified files: what serving needs, without MLflow."""

import fcntl
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from features.errors import InputError, NotReadyError, RefusedError
from features.home import Home, read_json
from training.artifact import Model, load_model
from training.versions import ledger
from training.versions.rehearse import rehearse_once

__all__ = ["Champions", "ModelVersion", "locked"]


@dataclass(frozen=True)
class ModelVersion:
    """One registered version; `sha256` is the artifact's hash, `aliases` are in alphabetical order."""

    name: str
    version: int
    run_id: str
    sha256: str
    aliases: tuple[str, ...] = ()


class Champions:
    """The ledger and the artifacts of one home; artifacts are found by run, so a home may move."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ledger = home.artifacts / "ledger.jsonl"

    @property
    def ledger(self) -> Path:
        """The file that says which versions are in force; it changes when they do."""
        return self._ledger

    def stack(self, name: str) -> tuple[ModelVersion, ...]:
        """The champions of a model: the last is in force, the one below it is next to roll back to."""
        entries = ledger.champions(ledger.read(self._ledger), name)
        return tuple(ModelVersion(e.model, e.version, e.run_id, e.sha256) for e in entries)

    def champion(self, name: str) -> ModelVersion:
        """The version in force.

        Raises
        ------
        NotReadyError
            If none was ever promoted.
        """
        stack = self.stack(name)
        if not stack:
            raise NotReadyError(
                f"model '{name}': no champion yet; cure: run `tenure train {name}`, "
                f"then `tenure models promote {name}`"
            )
        last = stack[-1]
        return ModelVersion(last.name, last.version, last.run_id, last.sha256, ("champion",))

    def in_force(self) -> dict[str, ModelVersion]:
        """The champion of every model that has one, as they were together at one moment."""
        entries = ledger.read(self._ledger)
        stacks = (ledger.champions(entries, name) for name in sorted({e.model for e in entries}))
        last = (stack[-1] for stack in stacks if stack)
        return {e.model: ModelVersion(e.model, e.version, e.run_id, e.sha256, ("champion",)) for e in last}

    def folder(self, run_id: str) -> Path:
        """Where the artifact of a run lies."""
        return self._home.artifacts / run_id / "artifacts" / "model"

    def record(self, run_id: str, name: str) -> Any:
        """One of a run's own JSON files (`training.versions.bundle`).

        Raises
        ------
        InputError
            If that cannot be a run's id.
        NotReadyError
            If the run does not have it.
        """
        if not re.fullmatch("[0-9A-Za-z]+", run_id):
            raise InputError(f"run '{run_id}': not the id of a run; cure: one of `tenure models list`")
        return read_json(self.folder(run_id).parent / name, cure="run `tenure train` again")

    def load(self, version: ModelVersion) -> Model:
        """One version, every byte verified against its recorded hash."""
        return load_model(self.folder(version.run_id), version.sha256)

    def rehearse(self, versions: Iterable[ModelVersion]) -> None:
        """Load versions in a process of their own, unless their very bytes passed that before.

        Raises
        ------
        CorruptError
            If one is not as written, kills that process, or answers with what is no finite number.
        """
        artifacts = {self.folder(version.run_id): version.sha256 for version in versions}
        rehearse_once(artifacts, self._home.artifacts / "rehearsed")

    def promote(
        self, version: ModelVersion, passed: bool, reasons: tuple[str, ...], *, who: str, at: datetime
    ) -> None:
        """Make a version the champion, and write down who did it, when and for what reasons.

        Raises
        ------
        RefusedError
            If the gates did not pass it, or it is the champion already.
        """
        if not passed:
            raise RefusedError(f"{version.name}/{version.version} is not promoted: {'; '.join(reasons)}")
        stack = self.stack(version.name)
        if stack and stack[-1].run_id == version.run_id:
            raise RefusedError(f"{version.name}/{version.version} is the champion already")
        self.move("promote", version, reasons, who=who, at=at)

    def rollback(self, name: str, *, who: str, at: datetime) -> None:
        """Bring back the champion before the present one.

        Raises
        ------
        RefusedError
            If there is none before it.
        CorruptError
            If its files are not as written; the champion stays.
        """
        stack = self.stack(name)
        if len(stack) < 2:
            raise RefusedError(f"model '{name}': no earlier champion; cure: train again")
        reasons = (f"rolled back from version {stack[-1].version}",)
        self.move("rollback", stack[-2], reasons, who=who, at=at)

    def move(
        self,
        action: Literal["promote", "rollback"],
        version: ModelVersion,
        reasons: tuple[str, ...],
        *,
        who: str,
        at: datetime,
    ) -> None:
        """Write a new champion into the ledger, once its files have proved whole."""
        self.load(version)
        ledger.append(
            self._ledger,
            at=at,
            who=who,
            action=action,
            model=version.name,
            version=version.version,
            run_id=version.run_id,
            sha256=version.sha256,
            reasons=reasons,
        )


@contextmanager
def locked(home: Home, what: str) -> Iterator[None]:
    """One holder at a time among all processes; the lock dies with its process."""
    home.artifacts.mkdir(parents=True, exist_ok=True)
    with (home.artifacts / f".{what}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
