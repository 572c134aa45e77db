"""The layout that the design promises, checked on the files themselves."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("features", "training", "serving")
MODULES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
CLOCK = ROOT / "serving" / "cli" / "clock.py"
FEAST = {ROOT / "features" / f"{name}.py" for name in ("views", "store", "unchecked")}
FEAST |= set((ROOT / "features" / "online").glob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_import_mlflow_is_the_library() -> None:
    code = "import mlflow; print(mlflow.__version__, mlflow.__file__)"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "site-packages" in out.stdout


def test_the_mlflow_folder_holds_no_code() -> None:
    assert [p.name for p in (ROOT / "mlflow").rglob("*.py")] == []


def test_tests_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250, "a module is at most 250 lines"
    imported = _imports(path)
    assert "mlflow" not in imported or path == ROOT / "training" / "registry.py"
    assert "feast" not in imported or path in FEAST
    assert not imported & {"pickle", "cloudpickle", "dill", "joblib"}
    asserts = [node.lineno for node in ast.walk(_tree(path)) if isinstance(node, ast.Assert)]
    assert asserts == [], "packages raise errors, they do not assert"
    if path != CLOCK:
        assert not re.search(r"\.now\(|\.today\(|\.utcnow\(", text), "the clock is read at the edge"
    if path.parts[-2:] != ("features", "settings.py"):
        assert "environ" not in {n.attr for n in ast.walk(_tree(path)) if isinstance(n, ast.Attribute)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_fit_a_screen(path: Path) -> None:
    functions = [n for n in ast.walk(_tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f"{f.name}: {_length(f)}" for f in functions if _length(f) > 45]
    assert long == [], "lines of a function without its docstring"


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1


def test_truth_is_read_by_the_simulator_only() -> None:
    readers = {p for p in MODULES if re.search(r"\.truth\b", p.read_text())}
    allowed = {p for p in MODULES if "simulate" in p.parts or "cli" in p.parts or p.name == "home.py"}
    assert readers <= allowed
