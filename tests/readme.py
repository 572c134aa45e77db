"""The generated parts of the README; `python -m tests.readme` writes them anew."""

import re
from functools import partial
from pathlib import Path

import click

from features.catalogue import load_catalogue
from features.families import all_families
from features.settings import SETTINGS
from serving.cli.main import main

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def settings_table() -> str:
    rows = [f"| `{s.name}` | {f'`{s.default}`' if s.default else '-'} | {s.help} |" for s in SETTINGS]
    return "\n".join(["| setting | default | what it is |", "| --- | --- | --- |", *rows])


def verbs_table() -> str:
    rows = [f"| `tenure {name}` | {verb.help.splitlines()[0]} |" for name, verb in verbs(main)]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def verbs(group: click.Group, prefix: str = "") -> list[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    found = []
    for name, command in sorted(group.commands.items()):
        full = f"{prefix}{name}"
        found += verbs(command, f"{full} ") if isinstance(command, click.Group) else [(full, command)]
    return found


def families_table() -> str:
    families = all_families(load_catalogue(ROOT / "features" / "catalogue.toml"))
    rows = [
        f"| {f.name} | {len(f.fields)} | {', '.join(f'`{x.name}`' for x in f.fields[:4])}, ... |"
        for f in families
    ]
    total = sum(len(f.fields) for f in families)
    head = [f"| family | {total} features | such as |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows])


def measured(name: str) -> str:
    return (ROOT / "benchmarks" / "results" / f"{name}-full.md").read_text().strip()


MEASURED = ("features", "live", "online", "point-in-time", "policy", "quality", "training-set")
PARTS = {
    "settings": settings_table,
    "commands": verbs_table,
    "families": families_table,
    **{name: partial(measured, name) for name in MEASURED},
}


def rendered(text: str) -> str:
    """The README's text with every generated part made anew."""
    for name, make in PARTS.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
        text, count = re.subn(pattern, lambda m, make=make: f"{m[1]}{make()}{m[2]}", text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"README.md: needs exactly one part '{name}'")
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
