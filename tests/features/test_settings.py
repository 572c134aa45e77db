"""The one reader of the environment."""

from pathlib import Path

import pytest

from features.errors import ConfigError
from features.settings import SETTINGS, read_settings


def test_an_empty_environment_gives_the_tables_defaults() -> None:
    settings = read_settings({})
    defaults = {s.name: s.default for s in SETTINGS}
    assert settings.home == Path(defaults["TENURE_HOME"]).resolve()
    assert settings.threads == int(defaults["TENURE_THREADS"])
    assert settings.memory == defaults["TENURE_MEMORY"]
    assert settings.salt == defaults["TENURE_SALT"]
    assert settings.sample_data is None


def test_the_environment_is_read_by_name(tmp_path: Path) -> None:
    names = {"TENURE_HOME": str(tmp_path), "TENURE_THREADS": "7", "TENURE_SAMPLE_DATA": str(tmp_path)}
    settings = read_settings(names)
    assert (settings.home, settings.threads, settings.sample_data) == (tmp_path, 7, tmp_path)


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5"])
def test_threads_must_be_a_whole_number(threads: str) -> None:
    with pytest.raises(ConfigError, match=f"TENURE_THREADS: '{threads}'"):
        read_settings({"TENURE_THREADS": threads})
