"""Runs, versions and the champion: the only module that imports MLflow.

MLflow holds params, metrics, plots and the artifact as plain files; the ledger beside them says
which version is the champion. Artifacts are found by run below this home, so a home may move.
"""

import logging
import re
import shutil
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.database.address import Where
from features.errors import InputError, NotReadyError, RefusedError
from features.home import Home, write_whole
from training.artifact import Model
from training.facts import AGAINST, nested
from training.versions.bundle import FACTS, Bundle
from training.versions.champions import Champions, ModelVersion, locked
from training.versions.probe import made, probe, uri_of
from training.versions.sealed import read_sealed

if TYPE_CHECKING:
    from training.gates import Verdict

__all__ = ["ModelVersion", "Registry"]

_CHALLENGER, _CHAMPION, _PREVIOUS = "challenger", "champion", "previous"
_CURE = "cure: free it, or restore it from a backup; champions go on serving without it"


class Registry:
    """The models of one home; making one touches nothing on disk.

    Every method that asks MLflow raises NotReadyError if its database cannot be used.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._champions = Champions(home)

    def log(self, bundle: Bundle) -> ModelVersion:
        """Record a finished run and register its artifact as the challenger.

        The version is made last, in one transaction with its hash, after the stored files were
        read back and verified: a kill before leaves a run without a version, never half a version.
        The challenger itself, logged once more, is not registered twice.
        """
        facts = bundle.facts
        name, sha256 = facts["name"], facts["model_sha256"]
        with locked(self._home, "registry"), self._reached() as client:
            last = _found(client, f"name='{name}'")[-1:]
            if last and last[0].tags.get("bundle") == bundle.sha256:
                return _version(last[0], (_CHALLENGER,))
            experiment = self._experiment(client, name)
            run = client.create_run(experiment, run_name=f"{name} {facts['definition']}")
            run_id = run.info.run_id
            _log_facts(client, run, facts)
            client.log_artifacts(run_id, str(bundle.folder))
            read_sealed(self._champions.folder(run_id), sha256)
            client.set_terminated(run_id)
            if not client.search_registered_models(f"name='{name}'"):
                client.create_registered_model(name)
            made = client.create_model_version(
                name,
                source=f"{run.info.artifact_uri}/model",
                run_id=run_id,
                tags={"sha256": sha256, "definition": facts["definition"], "bundle": bundle.sha256},
            )
            client.set_registered_model_alias(name, _CHALLENGER, str(made.version))
            return _version(made, (_CHALLENGER,))

    def logged(self, bundle_sha256: str) -> ModelVersion | None:
        """The version that a bundle has become, if it was logged."""
        if not made(self._home.mlflow_db) or not re.fullmatch("[0-9a-f]{64}", bundle_sha256):
            return None
        with self._reached() as client:
            found = _found(client, f"tags.bundle='{bundle_sha256}'")
        return _version(found[0]) if found else None

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Every registered version of a model, oldest first."""
        if not made(self._home.mlflow_db):
            return ()
        with self._reached() as client:
            found = _found(client, f"name='{name}'")
        # The last is the challenger even if a kill came before its alias; a new database numbers anew.
        held = {_CHALLENGER: found[-1].run_id} if found else {}
        held |= self._aliased(name)
        return tuple(_version(v, tuple(sorted(a for a in held if held[a] == v.run_id))) for v in found)

    def challenger(self, name: str) -> ModelVersion:
        """The version trained last; NotReadyError if none was ever trained."""
        versions = self.versions(name)
        if not versions:
            raise NotReadyError(f"model '{name}': nothing trained yet; cure: run `tenure train {name}`")
        return versions[-1]

    def champion(self, name: str) -> ModelVersion:
        """The version in force; NotReadyError if none was ever promoted."""
        return self._champions.champion(name)

    def load(self, version: ModelVersion) -> Model:
        """One version, every byte verified against its recorded hash."""
        return self._champions.load(version)

    def metrics(self, version: ModelVersion) -> dict[str, dict[str, float]]:
        """Head -> measure -> number, as stored with the run."""
        return nested(self._champions.record(version.run_id, FACTS)["metrics"])

    def against(self, version: ModelVersion) -> tuple[int | None, dict[str, dict[str, float]]]:
        """Which champion a version was measured against (None: none), and its metrics on the same rows."""
        facts = self._champions.record(version.run_id, FACTS)
        number = facts["tags"]["champion_version"]
        return (int(number) if number else None), nested(facts["metrics"], AGAINST)

    def promote(self, version: ModelVersion, verdict: "Verdict", *, who: str, at: datetime) -> ModelVersion:
        """Make a version the champion (`Champions.promote`), and show it in MLflow."""
        with locked(self._home, "registry"):
            self._champions.promote(version, verdict.promote, verdict.reasons, who=who, at=at)
            self._mirror(version.name)
        return self.champion(version.name)

    def rollback(self, name: str, *, who: str, at: datetime) -> ModelVersion:
        """Bring back the champion before the present one (`Champions.rollback`); MLflow may be down."""
        with locked(self._home, "registry"):
            self._champions.rollback(name, who=who, at=at)
            self._mirror(name)
        return self.champion(name)

    def delete(self, name: str, number: int) -> ModelVersion:
        """Delete a version and its artifact; what was measured of its run stays.

        RefusedError if it is in service or a rollback would bring it back, InputError if there is none.
        """
        with locked(self._home, "registry"):
            version = next((v for v in self.versions(name) if v.version == number), None)
            if version is None:
                raise InputError(f"{name}/{number}: no such version; cure: one of `tenure models list`")
            if version.run_id in (v.run_id for v in self._champions.stack(name)):
                raise RefusedError(f"{name}/{number}: in service, or one rollback away; cure: keep it")
            with self._reached() as client:
                client.delete_model_version(name, str(number))
            shutil.rmtree(self._champions.folder(version.run_id), ignore_errors=True)
        return version

    def _mirror(self, name: str) -> None:
        """Set MLflow's aliases to what the ledger says; the ledger decides, so it may fail."""
        held = self._aliased(name)
        try:
            with self._reached() as client:
                numbers = {v.run_id: str(v.version) for v in _found(client, f"name='{name}'")}
                for alias in (_CHAMPION, _PREVIOUS):
                    if (run_id := held.get(alias)) in numbers:
                        client.set_registered_model_alias(name, alias, numbers[run_id])
                    elif numbers:
                        client.delete_registered_model_alias(name, alias)
        except NotReadyError as error:
            logging.getLogger(__name__).warning("aliases are not shown in MLflow: %s", error)

    def _aliased(self, name: str) -> dict[str, str]:
        """Alias -> run of the champion and of the one a rollback would bring back."""
        stack = self._champions.stack(name)[::-1]
        return {alias: v.run_id for alias, v in zip((_CHAMPION, _PREVIOUS), stack, strict=False)}

    def _experiment(self, client: Any, name: str) -> str:
        """The experiment that writes into this home: a moved home must leave its old place alone."""
        place = self._home.artifacts.resolve().as_uri()
        found = client.get_experiment_by_name(name)
        if found is not None and found.artifact_location != place:
            name = f"{name} in {place}"
            found = client.get_experiment_by_name(name)
        if found is None:
            return str(client.create_experiment(name, artifact_location=place))
        return str(found.experiment_id)

    @contextmanager
    def _reached(self) -> Iterator[Any]:
        """MLflow, or NotReadyError with the cause; the words of a driver only, never a row."""
        from alembic.util import CommandError
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield self._client()
        except (CommandError, MlflowException, OSError, SQLAlchemyError, sqlite3.Error) as error:
            cause = str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
            told = f"{self._home.mlflow_db}: MLflow cannot be used ({cause}); {_CURE}"
            raise NotReadyError(told) from error

    def _client(self) -> Any:
        """MLflow on this home's database, which is made whole: half a migration never opens again."""
        where = self._home.mlflow_db
        if not made(where):
            with locked(self._home, "init"):
                if not made(where):
                    _make_database(where, self._home.artifacts)
        probe(where)
        return _connect(uri_of(where))


def _found(client: Any, where: str) -> list[Any]:
    """Versions as MLflow has them, oldest first."""
    return sorted(client.search_model_versions(where), key=lambda v: int(v.version))


def _version(found: Any, aliases: tuple[str, ...] = ()) -> ModelVersion:
    return ModelVersion(found.name, int(found.version), found.run_id, found.tags["sha256"], aliases)


def _connect(uri: str) -> Any:
    _store()
    # Imported here, because who only loads a champion needs the ledger and not a second of import.
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make_database(where: Where, artifacts: Path) -> None:
    with write_whole(where) if isinstance(where, Path) else nullcontext(where) as place:
        _store()(uri_of(place), artifacts.resolve().as_uri()).engine.dispose()


def _store() -> Any:
    """MLflow's store, without its notes on migrations and deprecations of its own tables."""
    for noisy in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        from sqlalchemy.exc import SADeprecationWarning

        warnings.simplefilter("ignore", SADeprecationWarning)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    return SqlAlchemyStore


def _log_facts(client: Any, run: Any, facts: Any) -> None:
    from mlflow.entities import Metric, Param, RunTag

    at = run.info.start_time
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, number, at, 0) for name, number in facts["metrics"].items()],
        params=[Param(name, value) for name, value in facts["params"].items()],
        tags=[RunTag(name, value) for name, value in facts["tags"].items()],
    )
