"""The only reader of the environment: one table of settings, read once at the edge."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.database.address import Address
from features.errors import ConfigError

__all__ = ["SETTINGS", "Oidc", "Setting", "Settings", "quiet_environment", "read_settings"]


@dataclass(frozen=True)
class Setting:
    """One row of the settings table; `default` is the text that the environment would hold."""

    name: str
    default: str
    help: str


_RATES = {"crm": 1000, "marketer": 20, "analyst": 100, "admin": 100}

SETTINGS = (
    Setting("TENURE_HOME", "var", "the folder that holds one bank's whole state"),
    Setting("TENURE_THREADS", "2", "threads for building features and for training"),
    Setting("TENURE_MEMORY", "4GB", "memory that DuckDB may use before it spills to disk"),
    Setting("TENURE_MAX_QUARANTINED", "0.01", "share of a table's rows that an import may quarantine"),
    Setting("TENURE_MIN_GROUP", "20", "fewer customers are neither counted as a group nor listed"),
    Setting("TENURE_SALT", "tenure", "salt of the hash that draws control groups; keep it secret"),
    Setting(
        "TENURE_SPARK_MASTER", "", "Spark cluster of `features build --engine spark`; empty: this machine"
    ),
    Setting("TENURE_ONLINE", "", "redis://host:port/db for online features; empty keeps them in the home"),
    Setting("TENURE_DECISIONS", "", "postgresql://... for the decision log; empty keeps it in the home"),
    Setting("TENURE_MLFLOW", "", "postgresql://... or MLflow's http://...; empty keeps runs in the home"),
    Setting("TENURE_FOUR_EYES", "off", "on: whoever trained a model may not promote it"),
    Setting("TENURE_ACCESS", "keys", "off: the service answers without keys, to this machine only"),
    Setting(
        "TENURE_RATES",
        ",".join(f"{role}={rate}" for role, rate in _RATES.items()),
        "requests a second that one key of a role may send to all workers together",
    ),
    Setting("TENURE_OIDC_ISSUER", "", "identity provider whose tokens are taken beside keys; empty: none"),
    Setting("TENURE_OIDC_AUDIENCE", "tenure", "audience that such a token must be for"),
    Setting("TENURE_OIDC_KEYS", "", "the provider's JWKS document: a file, or an address at the issuer"),
    Setting("TENURE_OIDC_CLAIM", "roles", "claim of a token that names its role"),
    Setting("TENURE_SAMPLE_DATA", "", "folder of sample banks for tests and benchmarks; optional"),
)


@dataclass(frozen=True)
class Oidc:
    """A bank's identity provider; `keys` is a file or an address, `claim` names the role."""

    issuer: str
    audience: str
    keys: str
    claim: str


_POSTGRES = ("postgresql", "postgres")


@dataclass(frozen=True)
class Settings:
    """The settings as values; `sample_data` is None where it is not set."""

    home: Path
    threads: int
    memory: str
    salt: str
    sample_data: Path | None
    max_quarantined: float = 0.01
    min_group: int = 20
    spark_master: str = ""
    online: str = ""
    four_eyes: bool = False
    decisions: Address | None = None
    mlflow: Address | None = None
    access: bool = True
    rates: Mapping[str, int] = field(default_factory=_RATES.copy)
    oidc: Oidc | None = None


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings table from the environment.

    Raises
    ------
    ConfigError
        If TENURE_THREADS or TENURE_MIN_GROUP is no whole number from 1 on, TENURE_MAX_QUARANTINED no share,
        TENURE_FOUR_EYES neither on nor off, TENURE_DECISIONS or TENURE_MLFLOW no URL of a server, or a
        setting of access breaks its form.
    """
    source = os.environ if environ is None else environ
    value = {s.name: source.get(s.name) or s.default for s in SETTINGS}
    for name in ("TENURE_THREADS", "TENURE_MIN_GROUP"):
        if not value[name].isdecimal() or int(value[name]) < 1:
            raise ConfigError(f"{name}: '{value[name]}' is not a whole number of at least 1")
    share = value["TENURE_MAX_QUARANTINED"]
    if not re.fullmatch(r"0|1|[01]?\.\d+", share) or float(share) > 1:
        raise ConfigError(f"TENURE_MAX_QUARANTINED: '{share}' is not a share from 0 to 1, such as 0.01")
    if value["TENURE_FOUR_EYES"] not in ("on", "off"):
        raise ConfigError(f"TENURE_FOUR_EYES: '{value['TENURE_FOUR_EYES']}' is neither on nor off")
    sample = value["TENURE_SAMPLE_DATA"]
    return Settings(
        home=Path(value["TENURE_HOME"]).resolve(),
        threads=int(value["TENURE_THREADS"]),
        min_group=int(value["TENURE_MIN_GROUP"]),
        memory=value["TENURE_MEMORY"],
        max_quarantined=float(share),
        salt=value["TENURE_SALT"],
        sample_data=Path(sample).resolve() if sample else None,
        online=value["TENURE_ONLINE"],
        spark_master=value["TENURE_SPARK_MASTER"],
        four_eyes=value["TENURE_FOUR_EYES"] == "on",
        access=_access(value["TENURE_ACCESS"]),
        rates=_rates(value["TENURE_RATES"]),
        oidc=_oidc(value),
        decisions=_address("TENURE_DECISIONS", value, _POSTGRES),
        mlflow=_address("TENURE_MLFLOW", value, (*_POSTGRES, "http", "https")),
    )


def _address(name: str, value: Mapping[str, str], schemes: tuple[str, ...]) -> Address | None:
    """A server's URL, which may hold a password and so is not repeated; None where the setting is empty."""
    if not value[name]:
        return None
    scheme, _, rest = value[name].partition("://")
    if scheme not in schemes or not rest:
        known = ", ".join(f"{s}://" for s in schemes)
        raise ConfigError(f"{name}: not the URL of a server; cure: begin it with one of {known}")
    return Address(value[name])


def _access(text: str) -> bool:
    if text not in ("keys", "off"):
        raise ConfigError(f"TENURE_ACCESS: '{text}' is neither keys nor off")
    return text == "keys"


def _rates(text: str) -> dict[str, int]:
    """The rates that are named, over those that are not."""
    given = re.findall(r"(?:^|,)(\w+)=([1-9]\d{0,6})(?=,|$)", text)
    if len(given) != text.count(",") + 1 or not {role for role, _ in given} <= set(_RATES):
        raise ConfigError(f"TENURE_RATES: '{text}' is not role=number,...; roles: {', '.join(_RATES)}")
    return {**_RATES, **{role: int(rate) for role, rate in given}}


def _oidc(value: Mapping[str, str]) -> Oidc | None:
    issuer, keys = value["TENURE_OIDC_ISSUER"], value["TENURE_OIDC_KEYS"]
    if bool(issuer) != bool(keys):
        raise ConfigError("TENURE_OIDC_ISSUER and TENURE_OIDC_KEYS: one without the other; cure: set both")
    if not issuer:
        return None
    return Oidc(issuer, value["TENURE_OIDC_AUDIENCE"], keys, value["TENURE_OIDC_CLAIM"])


def metrics_folder() -> Path | None:
    """Where the workers of one service share their metrics, as its host names it; None for one alone."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def quiet_environment() -> None:
    """Switch off every library's telemetry, and let idle OpenMP threads sleep.

    Called once at each edge (command line, service), before the libraries are imported. OpenMP
    threads that spin while they wait make LightGBM many times slower on a busy machine.
    """
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A tracking server that is down is said to be down, not asked for minutes.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "BENTOML_DO_NOT_TRACK": "True",
        "FEAST_USAGE": "False",
        "MPLBACKEND": "Agg",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TZ": "UTC",
    }
    for name, setting in quiet.items():
        os.environ.setdefault(name, setting)
