"""Documents cannot drift: what can be generated is compared, what can be run is run."""

import re
from pathlib import Path

import pytest

from features.settings import SETTINGS
from serving.cli.main import main
from tests.readme import README, rendered, verbs

TEXT = README.read_text()
COMMANDS = re.findall(r"^(?:\$ )?tenure (.+?)(?: *[#\\].*)?$", TEXT, re.MULTILINE)


def test_generated_parts_are_current() -> None:
    assert rendered(TEXT) == TEXT, "cure: make docs"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_of_the_readme_exists_with_its_options(words: str) -> None:
    known = dict(verbs(main))
    name = max((n for n in known if f"{words} ".startswith(f"{n} ")), key=len, default=None)
    assert name, f"no such command: tenure {words}"
    options = {option for parameter in known[name].params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", words)) <= options


def test_every_setting_is_in_the_readme() -> None:
    assert all(s.name in TEXT for s in SETTINGS)


def test_the_readme_shows_a_result_in_its_first_screen() -> None:
    first = TEXT.splitlines()[:40]
    assert any(line.startswith("rank") for line in first)
    assert "make demo" in "\n".join(first)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)
    assert targets
    assert [t for t in targets if not (Path(README).parent / t).exists()] == []
