"""`tenure train --table` beside LightGBM's own training on the same rows, already in memory.

Tenure reads a parquet file, checks it, splits it by time, trains, calibrates, measures, looks for
leaks, draws and writes the bundle. LightGBM is handed a float64 matrix and makes its bins and trees
from it: the same parameters and rounds, once on the rows that Tenure's trees see, once on all rows.
Each runs in a process of its own; memory is VmHWM, the most that the process held. LightGBM's seconds
leave out its start and the loading of the matrix; Tenure's are the whole command.

`make bench-training SIZE=small|full`
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.table import peak_gb, write_table
from features.settings import quiet_environment, read_settings

ROWS = {"small": 50_000, "full": 1_000_000}
FEATURES = 150
MONTHS = 10
MOST_TIME, MOST_MEMORY = 1.5, 2.0
SEED = 7
TENURE, SAME_ROWS, ALL_ROWS = "tenure train --table", "LightGBM, the rows trained on", "LightGBM, all rows"


def prepare(folder: Path, rows: int) -> None:
    """A table of clients over ten months: normal, skewed, whole and partly empty columns."""
    rng = np.random.default_rng(SEED)
    clients = rows // MONTHS
    risk = np.tile(rng.normal(size=clients), MONTHS)
    matrix = np.lib.format.open_memmap(folder / "all.npy", "w+", np.float64, (rows, FEATURES))
    columns = {}
    for n in range(FEATURES):
        values = rng.normal(size=rows) + (risk * 0.5 if n % 10 == 0 else 0.0)
        values = (values, np.exp(values), np.round(values * 3))[n % 3]
        values = np.where(rng.random(rows) < 0.2, np.nan, values) if n % 5 == 0 else values
        columns[f"f{n:03d}"] = matrix[:, n] = values
    label = (rng.random(rows) < 1 / (1 + np.exp(2.5 - risk))).astype(np.float64)
    months = np.datetime64("2024-01-01", "us") + np.arange(MONTHS) * np.timedelta64(30, "D")
    keys = {
        "client": [f"C{i:07d}" for i in range(clients)] * MONTHS,
        "seen": pa.array(np.repeat(months, clients), pa.timestamp("us", "UTC")),
        "left": label.astype(np.int8),
    }
    pq.write_table(pa.table({**keys, **columns}), folder / "table.parquet", row_group_size=100_000)
    np.save(folder / "label.npy", label)
    keep_trained(folder, keys["client"], matrix, label)


def keep_trained(folder: Path, clients: list[str], matrix: np.ndarray, label: np.ndarray) -> None:
    """The rows that Tenure's trees see: the eight months before the test, without the held-out clients."""
    import pandas as pd

    from training.split import bucket

    seen = (np.arange(len(label)) < len(label) // MONTHS * 8) & (
        bucket(pd.Series(clients), "calibrate") >= 0.2
    )
    np.save(folder / "same.npy", matrix[seen])
    np.save(folder / "same_label.npy", label[seen])


def tenure(folder: Path) -> dict[str, float]:
    from serving.cli.main import main

    words = f"train --table {folder}/table.parquet --id client --time seen --label left --name bench"
    main([*words.split(), "--seed", str(SEED), "--home", f"{folder}/home"], standalone_mode=False)
    report = json.loads((folder / "home" / "artifacts" / "tables" / "bench" / "report.json").read_text())
    return {"rows": report["rows"]["train"], "cpu": time.process_time()}


def plain(folder: Path, rows: str) -> dict[str, float]:
    import lightgbm

    from training.specs import CHURN

    matrix = np.load(folder / f"{rows}.npy")
    label = np.load(folder / ("label.npy" if rows == "all" else f"{rows}_label.npy"))
    params = {**CHURN.params, "objective": "binary", "verbosity": -1, "seed": SEED}
    params["num_threads"] = read_settings().threads
    start, cpu = time.perf_counter(), time.process_time()
    lightgbm.train(params, lightgbm.Dataset(matrix, label, params=params))
    return {
        "rows": len(label),
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
    }


def measure(folder: Path, way: str) -> None:
    """Train once in this process, and print what it took."""
    done = tenure(folder) if way == TENURE else plain(folder, "same" if way == SAME_ROWS else "all")
    print(json.dumps({**done, "gb": peak_gb()}))


def run(folder: Path, way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.training", "--way", way, "--folder", str(folder)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": time.perf_counter() - start, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(ROWS), default="small")
    parser.add_argument("--way", choices=(TENURE, SAME_ROWS, ALL_ROWS))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    quiet_environment()
    if options.way:
        measure(options.folder, options.way)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, ROWS[options.size])
        found = {way: run(folder, way) for way in (TENURE, SAME_ROWS, ALL_ROWS)}
    ours = found[TENURE]
    table = [
        [
            way,
            f"{f['rows']:,.0f}",
            f"{f['seconds']:.1f}",
            f"{f['cpu']:.1f}",
            f"{f['gb']:.2f}",
            *("" if way == TENURE else f"{ours[of] / f[of]:.2f}" for of in ("seconds", "cpu", "gb")),
        ]
        for way, f in found.items()
    ]
    note = (
        f"{ROWS[options.size]:,} rows x {FEATURES} features; at most {MOST_TIME} times the seconds and "
        f"{MOST_MEMORY} times the memory of LightGBM on all rows are wanted."
    )
    head = ["way", "rows trained on", "s", "CPU s", "peak GB", "Tenure: x s", "x CPU s", "x GB"]
    write_table("training", options.size, head, table, note)


if __name__ == "__main__":
    main()
