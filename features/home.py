"""One bank's whole state is one folder; this names its rooms and writes files whole."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.database.address import Address, Where
from features.errors import CorruptError, NotReadyError
from features.settings import Settings

__all__ = [
    *("Home", "home_of", "only_writer", "read_json", "recover", "sha256_of"),
    *("write_whole", "write_whole_folder", "write_whole_json"),
]


@dataclass(frozen=True)
class Home:
    """The folder `TENURE_HOME`; every path below it is named here and nowhere else.

    decisions, tracking
        Databases on a server that take the place of the home's own; None for its own.
    """

    path: Path
    decisions: Address | None = None
    tracking: Address | None = None

    @property
    def catalogue(self) -> Path:
        """What this bank sells; edited by a marketer."""
        return self.path / "catalogue.toml"

    @property
    def policy(self) -> Path:
        """Whom this bank may approach, where it differs from the shipped policy."""
        return self.path / "policy.toml"

    @property
    def history(self) -> Path:
        """Imported history: one parquet file a table."""
        return self.path / "history"

    @property
    def offline(self) -> Path:
        """Computed features: one folder a generation."""
        return self.path / "offline"

    @property
    def online_db(self) -> Path:
        """Feast's online store."""
        return self.path / "online.db"

    @property
    def mlflow_db(self) -> Where:
        """MLflow's tracking store."""
        return self.tracking or self.path / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts."""
        return self.path / "artifacts"

    @property
    def decisions_db(self) -> Where:
        """Decisions and outcomes, append-only."""
        return self.decisions or self.path / "decisions.db"

    @property
    def keys(self) -> Path:
        """Hashes of the keys that let others ask the service."""
        return self.path / "access" / "keys.json"

    @property
    def scores(self) -> Path:
        """Scores of every customer, one file a generation."""
        return self.path / "scores"

    @property
    def lists(self) -> Path:
        """Target lists with their manifests."""
        return self.path / "lists"

    @property
    def plans(self) -> Path:
        """Plans' prices, by which lists and answers rank."""
        return self.path / "plans"

    @property
    def erased(self) -> Path:
        """Who was erased, as keyed hashes, and the receipts."""
        return self.path / "erased"

    @property
    def reports(self) -> Path:
        """Pages for people: quality, features."""
        return self.path / "reports"

    @property
    def simulated(self) -> bool:
        """Whether the bank is a simulated one, whose present is the end of its history."""
        return self.truth.is_dir()

    @property
    def events_db(self) -> Path:
        """Events that were pushed and that history does not hold yet."""
        return self.path / "events.db"

    @property
    def retries_db(self) -> Path:
        """The latest answers of the service, for who asks again."""
        return self.path / "retries.db"

    @property
    def truth(self) -> Path:
        """What only the simulator may know; read by it, by tests and by benchmarks."""
        return self.path / "truth"


def home_of(settings: Settings) -> Home:
    """The home that the settings name, with the databases that they give it."""
    return Home(settings.home, settings.decisions, settings.mlflow)


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success fsync it and rename it into place.

    A kill or an error at any moment leaves the last good file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        _sync(part)
        part.replace(path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def write_whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on success it takes the place of `path`.

    A folder cannot be replaced in one step: a kill between the two renames leaves the last good
    one as `.<name>.old`, and `recover` puts it back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, old = path.with_name(f".{path.name}.part"), _old(path)
    _put_back(path)
    for left_over in (part, old):
        shutil.rmtree(left_over, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        for written in part.rglob("*"):
            if written.is_file():
                _sync(written)
        if path.exists():
            path.rename(old)
        part.rename(path)
        _sync(path.parent)
    finally:
        _put_back(path)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(part, ignore_errors=True)


def recover(home: Home) -> None:
    """Put back what a killed run had moved aside; called before a home is read."""
    _put_back(home.history)


@contextmanager
def only_writer(home: Home) -> Iterator[None]:
    """Keep a second writer out while history or features of a home are written, where there is one yet.

    Raises
    ------
    NotReadyError
        If another process is writing.
    """
    if not home.path.is_dir():
        yield
        return
    with (home.path / ".writer.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotReadyError(f"{home.path}: locked by another command; cure: wait for it") from error
        yield


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _put_back(path: Path) -> None:
    if _old(path).exists() and not path.exists():
        _old(path).rename(path)


def write_whole_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, whole."""
    with write_whole(path) as part:
        part.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path, cure: str) -> Any:
    """Read JSON that Tenure wrote; `cure` says which command writes it.

    Raises
    ------
    NotReadyError, CorruptError
        If the file is not there, or is not JSON.
    """
    if not path.is_file():
        raise NotReadyError(f"{path}: not there yet; cure: {cure}")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise CorruptError(f"{path}: not valid JSON; cure: {cure}") from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
