"""The only reader of the environment: one table of settings, read once at the edge."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from features.errors import ConfigError

__all__ = ["SETTINGS", "Setting", "Settings", "quiet_environment", "read_settings"]


@dataclass(frozen=True)
class Setting:
    """One row of the settings table; `default` is the text that the environment would hold."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("TENURE_HOME", "var", "the folder that holds one bank's whole state"),
    Setting("TENURE_THREADS", "2", "threads for building features and for training"),
    Setting("TENURE_MEMORY", "4GB", "memory that DuckDB may use before it spills to disk"),
    Setting("TENURE_MAX_QUARANTINED", "0.01", "share of a table's rows that an import may quarantine"),
    Setting("TENURE_SALT", "tenure", "salt of the hash that draws control groups; keep it secret"),
    Setting(
        "TENURE_SPARK_MASTER", "", "Spark cluster of `features build --engine spark`; empty: this machine"
    ),
    Setting("TENURE_ONLINE", "", "redis://host:port/db for online features; empty keeps them in the home"),
    Setting("TENURE_FOUR_EYES", "off", "on: whoever trained a model may not promote it"),
    Setting("TENURE_SAMPLE_DATA", "", "folder of sample banks for tests and benchmarks; optional"),
)


@dataclass(frozen=True)
class Settings:
    """The settings as values; `sample_data` is None where it is not set."""

    home: Path
    threads: int
    memory: str
    salt: str
    sample_data: Path | None
    max_quarantined: float = 0.01
    spark_master: str = ""
    online: str = ""
    four_eyes: bool = False


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings table from the environment.

    Raises
    ------
    ConfigError
        If TENURE_THREADS is not a whole number of at least 1, TENURE_MAX_QUARANTINED no share, or
        TENURE_FOUR_EYES neither on nor off.
    """
    source = os.environ if environ is None else environ
    value = {s.name: source.get(s.name) or s.default for s in SETTINGS}
    threads = value["TENURE_THREADS"]
    if not threads.isdigit() or int(threads) < 1:
        raise ConfigError(f"TENURE_THREADS: '{threads}' is not a whole number of at least 1")
    share = value["TENURE_MAX_QUARANTINED"]
    if not re.fullmatch(r"0|1|[01]?\.\d+", share) or float(share) > 1:
        raise ConfigError(f"TENURE_MAX_QUARANTINED: '{share}' is not a share from 0 to 1, such as 0.01")
    if value["TENURE_FOUR_EYES"] not in ("on", "off"):
        raise ConfigError(f"TENURE_FOUR_EYES: '{value['TENURE_FOUR_EYES']}' is neither on nor off")
    sample = value["TENURE_SAMPLE_DATA"]
    return Settings(
        home=Path(value["TENURE_HOME"]).resolve(),
        threads=int(threads),
        memory=value["TENURE_MEMORY"],
        max_quarantined=float(share),
        salt=value["TENURE_SALT"],
        sample_data=Path(sample).resolve() if sample else None,
        online=value["TENURE_ONLINE"],
        spark_master=value["TENURE_SPARK_MASTER"],
        four_eyes=value["TENURE_FOUR_EYES"] == "on",
    )


def quiet_environment() -> None:
    """Switch off every library's telemetry, and let idle OpenMP threads sleep.

    Called once at each edge (command line, service), before the libraries are imported. OpenMP
    threads that spin while they wait make LightGBM many times slower on a busy machine.
    """
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_DO_NOT_TRACK": "True",
        "FEAST_USAGE": "False",
        "MPLBACKEND": "Agg",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TZ": "UTC",
    }
    for name, setting in quiet.items():
        os.environ.setdefault(name, setting)
