"""Runs, versions and the champion: the only module that imports MLflow.

MLflow holds params, metrics, plots and the artifact as plain files; the ledger beside them says
which version is the champion. Artifacts are found by run below this home, so a home may move.
"""

import logging
import tempfile
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import NotReadyError, RefusedError
from features.home import Home, write_whole
from training.artifact import Model, load_model, save_model
from training.champions import Champions, ModelVersion, locked
from training.facts import flat, nested, params_of, signature_of, tags_of

if TYPE_CHECKING:
    from training.evaluate import Evaluation
    from training.fit import Fitted
    from training.gates import Verdict
    from training.specs import ModelSpec

__all__ = ["ModelVersion", "Registry"]

_CHALLENGER, _CHAMPION, _PREVIOUS = "challenger", "champion", "previous"
_AGAINST = "champion/"


class Registry:
    """The models of one home; making one touches nothing on disk."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._champions = Champions(home)

    def log(
        self,
        spec: "ModelSpec",
        fitted: "Fitted",
        evaluation: "Evaluation",
        plots: Path,
        against: "tuple[ModelVersion, Evaluation] | None",
    ) -> ModelVersion:
        """Record a run and register its artifact as the challenger.

        Parameters
        ----------
        plots
            Folder of figures.
        against
            The champion, and its evaluation on the same test rows; None if there is nothing to
            compare with.

        The version is made last, in one transaction with its hash, after the stored files were
        read back and verified: a kill before leaves a run without a version, never half a version.
        """
        with locked(self._home, "registry"), tempfile.TemporaryDirectory() as scratch:
            client = self._client()
            folder = Path(scratch) / "model"
            sha256 = save_model(folder, fitted.model)
            experiment = self._experiment(client, spec.name)
            run = client.create_run(experiment, run_name=f"{spec.name} {spec.definition}")
            run_id = run.info.run_id
            numbers, tags = flat(evaluation.metrics), tags_of(fitted, evaluation)
            tags["champion_version"] = str(against[0].version) if against else ""
            if against:
                numbers |= flat(against[1].metrics, _AGAINST)
            _log_facts(client, run, params_of(spec, fitted), numbers, tags)
            client.log_dict(run_id, signature_of(fitted.model), "signature.json")
            client.log_artifacts(run_id, str(plots), "plots")
            client.log_artifacts(run_id, str(folder), "model")
            load_model(self._champions.folder(run_id), sha256)
            client.set_terminated(run_id)
            return self._register(client, spec, run, sha256)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Every registered version of a model, oldest first."""
        if not self._home.mlflow_db.is_file():
            return ()
        client = self._client()
        found = client.search_model_versions(f"name='{name}'")
        if not found:
            return ()
        stack = [v.version for v in self._champions.stack(name)[::-1]]
        # The last version is the challenger even if a kill came before its alias was set.
        held = {_CHALLENGER: max(int(v.version) for v in found)}
        held |= dict(zip((_CHAMPION, _PREVIOUS), stack, strict=False))
        return tuple(
            ModelVersion(
                name, n, v.run_id, v.tags["sha256"], tuple(sorted(a for a in held if held[a] == n))
            )
            for n, v in sorted((int(v.version), v) for v in found)
        )

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
        return nested(self._client().get_run(version.run_id).data.metrics)

    def against(self, version: ModelVersion) -> tuple[int | None, dict[str, dict[str, float]]]:
        """Which champion a version was measured against (None: none), and that one's metrics on
        the same test rows."""
        data = self._client().get_run(version.run_id).data
        number = data.tags["champion_version"]
        return (int(number) if number else None), nested(data.metrics, _AGAINST)

    def promote(self, version: ModelVersion, verdict: "Verdict", *, who: str, at: datetime) -> ModelVersion:
        """Make a version the champion, and write down who did it, when and for what reasons.

        Raises
        ------
        RefusedError
            If the verdict speaks against it, or it is the champion already.
        """
        if not verdict.promote:
            reasons = "; ".join(verdict.reasons)
            raise RefusedError(f"{version.name}/{version.version} is not promoted: {reasons}")
        with locked(self._home, "registry"):
            stack = self._champions.stack(version.name)
            if stack and stack[-1].version == version.version:
                raise RefusedError(f"{version.name}/{version.version} is the champion already")
            self._champions.move("promote", version, verdict.reasons, who=who, at=at)
            self._mirror(version.name)
        return self.champion(version.name)

    def rollback(self, name: str, *, who: str, at: datetime) -> ModelVersion:
        """Bring back the champion before the present one.

        Raises
        ------
        RefusedError
            If there is none before it.
        CorruptError
            If its files are not as written; the champion stays.
        """
        with locked(self._home, "registry"):
            stack = self._champions.stack(name)
            if len(stack) < 2:
                raise RefusedError(f"model '{name}': no earlier champion; cure: train again")
            reasons = (f"rolled back from version {stack[-1].version}",)
            self._champions.move("rollback", stack[-2], reasons, who=who, at=at)
            self._mirror(name)
        return self.champion(name)

    def _mirror(self, name: str) -> None:
        """Set MLflow's aliases to what the ledger says."""
        client = self._client()
        stack = self._champions.stack(name)
        client.set_registered_model_alias(name, _CHAMPION, str(stack[-1].version))
        if len(stack) > 1:
            client.set_registered_model_alias(name, _PREVIOUS, str(stack[-2].version))
        else:
            client.delete_registered_model_alias(name, _PREVIOUS)

    def _register(self, client: Any, spec: "ModelSpec", run: Any, sha256: str) -> ModelVersion:
        if not client.search_registered_models(f"name='{spec.name}'"):
            client.create_registered_model(spec.name)
        made = client.create_model_version(
            spec.name,
            source=f"{run.info.artifact_uri}/model",
            run_id=run.info.run_id,
            tags={"sha256": sha256, "definition": spec.definition},
        )
        client.set_registered_model_alias(spec.name, _CHALLENGER, str(made.version))
        return ModelVersion(spec.name, int(made.version), run.info.run_id, sha256, (_CHALLENGER,))

    def _experiment(self, client: Any, name: str) -> str:
        """The experiment that writes into this home: a moved home must leave its old place alone."""
        place = self._home.artifacts.resolve().as_uri()
        found = client.get_experiment_by_name(name)
        if found is not None and found.artifact_location != place:
            name = f"{name} in {place}"
            found = client.get_experiment_by_name(name)
        experiment: str = (
            found.experiment_id if found else client.create_experiment(name, artifact_location=place)
        )
        return experiment

    def _client(self) -> Any:
        """MLflow on this home's database, which is made whole: half a migration never opens again."""
        path = self._home.mlflow_db.resolve()
        if not path.is_file():
            with locked(self._home, "init"):
                if not path.is_file():
                    with write_whole(path) as part:
                        _make_database(part)
        return _connect(path)


def _connect(path: Path) -> Any:
    _store()
    # Imported here, because who only loads a champion needs the ledger and not a second of import.
    from mlflow import MlflowClient

    uri = f"sqlite:///{path}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make_database(path: Path) -> None:
    store = _store()(f"sqlite:///{path}", path.parent.as_uri())
    store.engine.dispose()


def _store() -> Any:
    """MLflow's store, without its notes on migrations and deprecations of its own tables."""
    for noisy in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        from sqlalchemy.exc import SADeprecationWarning

        warnings.simplefilter("ignore", SADeprecationWarning)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    return SqlAlchemyStore


def _log_facts(client: Any, run: Any, params: Any, numbers: Any, tags: Any) -> None:
    from mlflow.entities import Metric, Param, RunTag

    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, number, run.info.start_time, 0) for name, number in numbers.items()],
        params=[Param(name, value) for name, value in params.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
