"""`bentoml build` from a copy of the sources, and the bento served from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pandas as pd

from features.home import Home
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online

ROOT = Path(__file__).parents[2]

# Without `site` the project's own sources are not on the path: only the bento and the libraries are.
_SERVED = """
import json, sys
sys.path += [sys.argv[2]]
import bentoml
from starlette.testclient import TestClient

service = bentoml.load(sys.argv[1])
here = {"base_url": "http://127.0.0.1:3000", "client": ("127.0.0.1", 50_000)}
with TestClient(service.to_asgi(), raise_server_exceptions=False, **here) as client:
    body = {"customer_ids": ["C0001"]}
    told = [client.post(f"/v1/{path}", json=body).status_code for path in ("scores", "offers", "profile")]
    told += [client.get(path).status_code for path in ("/readyz", "/docs")]
import features, serving, training
print(json.dumps([told, [module.__file__ for module in (features, serving, training)]]))
"""


def test_a_bento_answers_from_an_empty_folder_without_the_sources(
    home: Home, frame: pd.DataFrame, tmp_path: Path
) -> None:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    sources, store, empty = (tmp_path / name for name in ("sources", "store", "empty"))
    empty.mkdir()
    without = shutil.ignore_patterns("__pycache__")
    for package in ("features", "training", "serving"):
        shutil.copytree(ROOT / package, sources / package, ignore=without)
    for name in ("bentofile.yaml", "requirements.lock", "README.md"):
        shutil.copy(ROOT / name, sources)
    environment = {**os.environ, "BENTOML_HOME": str(store), "BENTOML_DO_NOT_TRACK": "True"}

    def ran(*command: str, where: Path, **more: str) -> str:
        done = subprocess.run(
            command, cwd=where, env={**environment, **more}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    bentoml = str(Path(sys.executable).with_name("bentoml"))
    tag = ran(bentoml, "build", "--output", "tag", where=sources).strip().rpartition("__tag__:")[2]
    shutil.rmtree(sources)
    served = (sys.executable, "-S", "-c", _SERVED, tag, sysconfig.get_path("purelib"))
    told, files = json.loads(ran(*served, where=empty, TENURE_HOME=str(home.path)).splitlines()[-1])
    assert told == [200] * 5
    assert all(Path(file).is_relative_to(store) for file in files), files
    required = next(store.glob("bentos/tenure/*/env/python/requirements.txt")).read_text()
    assert "bentoml==" in required and "lightgbm==" in required and "file:" not in required
