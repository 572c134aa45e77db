"""Take customers out of what a home holds of history and features, in the files themselves."""

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.home import Home, read_json, sha256_of, write_whole, write_whole_folder, write_whole_json
from features.vocabulary import CUSTOMER_ID

__all__ = ["erase_features", "erase_history", "without"]

_MANIFEST = "manifest.json"


def without(path: Path, customer_ids: Collection[str]) -> int:
    """Write a parquet file anew without some customers' rows, whole; gives how many rows they had.

    The rest keeps order, row groups, types and compression; a file without them is not touched.
    """
    gone = pa.array(sorted(customer_ids), pa.string())
    with pq.ParquetFile(path) as file:
        if CUSTOMER_ID not in file.schema_arrow.names:
            return 0
        groups = range(file.num_row_groups)
        theirs = [_theirs(file.read_row_group(group, columns=[CUSTOMER_ID]), gone) for group in groups]
        if not (count := sum(pc.sum(mask).as_py() or 0 for mask in theirs)):
            return 0
        kind = file.metadata.row_group(0).column(0).compression
        packed = {"LZ4_RAW": "LZ4", "UNCOMPRESSED": "NONE"}.get(kind, kind)
        with (
            write_whole(path) as part,
            pq.ParquetWriter(part, file.schema_arrow, compression=packed) as new,
        ):
            for group, mask in zip(groups, theirs, strict=True):
                new.write_table(file.read_row_group(group).filter(pc.invert(mask)))
    return int(count)


def erase_history(home: Home, customer_ids: Collection[str]) -> dict[str, int]:
    """Take customers out of every table and its quarantine; rows by table, none where there were none.

    A kill at any moment leaves the history as it was, or as it will be.
    """
    if not (home.history / _MANIFEST).is_file():
        return {}
    rows: Counter[str] = Counter()
    with write_whole_folder(home.history) as part:
        for path in sorted(p for p in home.history.rglob("*") if p.is_file()):
            copy = part / path.relative_to(home.history)
            copy.parent.mkdir(exist_ok=True)
            os.link(path, copy)
            if copy.suffix == ".parquet":
                rows[path.stem] += without(copy, customer_ids)
        manifest = read_json(part / _MANIFEST, "import the history again")
        for name, table in manifest["tables"].items():
            file = part / f"{name}.parquet"
            if rows[name] and file.is_file():
                table |= {"rows": pq.read_metadata(file).num_rows, "sha256": sha256_of(file)}
        write_whole_json(part / _MANIFEST, manifest)
    return {f"history/{name}": count for name, count in rows.items() if count}


def erase_features(home: Home, customer_ids: Collection[str]) -> int:
    """Take customers out of every snapshot of every generation; gives how many rows they had."""
    return sum(without(path, customer_ids) for path in sorted(home.offline.glob("*/*.parquet")))


def _theirs(rows: pa.Table, gone: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(rows[CUSTOMER_ID].cast(pa.string()), value_set=gone)
