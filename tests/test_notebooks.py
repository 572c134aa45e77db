"""The notebooks: run whole on a copy of the shared bank, stored without outputs, on public names only."""

import ast
import importlib
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from features.home import Home

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OURS = {"features", "training", "serving"}
PICTURES = {
    "01_the_bank": 7,
    "02_churn_and_value": 12,
    "03_the_next_best_offer": 5,
    "04_did_it_work": 3,
}


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def sources(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == kind]


@pytest.fixture(scope="module")
def copied_home(bank: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("notebooks") / "home"
    shutil.copytree(bank.path, home)
    return home


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_a_notebook_runs_from_its_folder_and_draws_its_conclusions(
    notebook: Path, copied_home: Path, tmp_path: Path
) -> None:
    ran = read(notebook)
    place = {"metadata": {"path": str(notebook.parent)}}
    own = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    own |= {"TENURE_HOME": str(copied_home), "IPYTHONDIR": str(tmp_path)}
    NotebookClient(ran, timeout=300, kernel_name="python3", resources=place).execute(env=own)
    shown = [output for cell in ran.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in shown} <= {"execute_result", "display_data"}, "no noise"
    found = [output.data for output in shown]
    drawn = sum("image/png" in data for data in found)
    drawn += sum(data.get("text/html", "").count("<svg") for data in found)
    assert drawn >= PICTURES[notebook.stem]
    said = [data["text/markdown"] for data in found if "text/markdown" in data]
    asked = [source for source in sources(notebook, "markdown") if "?" in source]
    assert len(said) >= len(asked)
    assert not [text for text in said if re.search(r"\b(nan|inf|None)\b", text)]
    assert not Home(copied_home).decisions_db.exists(), "plans are made on a copy"
    if notebook.stem == "01_the_bank":
        assert any("cells **0** changed" in text for text in said), "what came late reached the past"


def test_a_notebook_is_stored_without_outputs(notebook: Path) -> None:
    stored = read(notebook)
    nbformat.validate(stored)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert stored.metadata == {"kernelspec": kernel}
    for cell in stored.cells:
        assert cell.metadata == {}
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_a_notebook_uses_public_names_only(notebook: Path) -> None:
    names = 0
    for source in sources(notebook, "code"):
        code = "\n".join(line for line in source.splitlines() if not line.startswith("%"))
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                assert not OURS & {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in OURS:
                public = importlib.import_module(str(node.module)).__all__
                assert {alias.name for alias in node.names} <= set(public), node.module
                names += len(node.names)
    assert names > 10


def test_the_text_of_a_notebook_types_no_figure(notebook: Path) -> None:
    text = "\n".join(sources(notebook, "markdown"))
    assert not re.findall(r"\d+", re.sub(r"\bP10\b|\bP90\b|\b0[1-4]\b|0[1-4]_\w+", "", text))


def test_every_notebook_says_that_its_bank_is_simulated(notebook: Path) -> None:
    assert "**The bank is simulated**" in sources(notebook, "markdown")[0]
