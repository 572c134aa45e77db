"""Erase customers: every row of theirs, in every place of a home, and a receipt that says so.

The tombstone is written first, so that no import brings a customer back meanwhile; the receipt last. Each
step may be run again: a run that was killed half-way is finished by the next one.
"""

import csv
import hmac
import io
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from features.erasure import erase_features, erase_history, without
from features.errors import InputError, NotReadyError
from features.home import Home, only_writer, read_json, sha256_of, write_whole_json
from features.online.push import delete_customers
from features.settings import Settings
from features.tombstones import Tombstones
from features.vocabulary import CUSTOMER_ID
from serving.api.kept import Kept
from serving.champions import load_scorer
from serving.lists.export import safe_cell, write_list
from serving.log.forget import forget

__all__ = ["Receipt", "erase", "is_ours"]


@dataclass(frozen=True)
class Receipt:
    """What was erased, without an id of a customer; signed with the setting TENURE_SALT.

    tombstones
        Keyed hashes of the customers' ids.
    removed
        Rows by place; of pages, which are deleted whole and can be made anew, how many.
    learned
        Models in force, which may have learned from the rows: train them again when that is due.
    """

    at: str
    by: str
    tombstones: tuple[str, ...]
    removed: Mapping[str, int]
    learned: Mapping[str, str]
    signature: str = ""


def erase(
    home: Home,
    customer_ids: Collection[str],
    settings: Settings,
    *,
    by: str,
    now: datetime,
    tell: Callable[[str], None],
) -> tuple[Receipt, Path]:
    """Erase customers from history, features, online store, events, scores, lists, log, answers, reports.

    What lies outside the home is not reached: copies of lists that were handed over, exports that were
    imported, backups. A simulated bank's truth and exports are that outside world.

    Raises
    ------
    InputError
        If an id is empty.
    NotReadyError
        If another command writes the history, or the log is read just now; run it again.
    RefusedError
        If somebody was erased under another TENURE_SALT.
    """
    ids = sorted(set(customer_ids))
    if not ids or "" in ids:
        raise InputError("no customer is named; cure: tenure erase CUSTOMER_ID ...")
    with only_writer(home):
        hashes = Tombstones.of(home, settings.salt).add(home, ids, now)
        removed = erase_history(home, ids)
        tell("history is without them")
        removed["features"] = erase_features(home, ids)
        removed["online"] = delete_customers(home, ids, settings)
        removed["scores"] = _from_scores(home, ids)
        tell("features and scores are without them")
        removed["lists"] = sum(_from_list(path, ids) for path in sorted(home.lists.glob("*.csv")))
        removed |= {f"log/{table}": count for table, count in forget(home.decisions_db, ids).items()}
        # Answers are text: all are forgotten, and who asks again is decided for again.
        removed["answers"] = Kept(home.retries_db).empty()
        removed["pages"] = _from_pages(home, ids)
        tell("lists, decision log and reports are without them")
    removed = {place: count for place, count in removed.items() if count}
    receipt = _signed(Receipt(now.isoformat(), by, hashes, removed, _learned(home)), settings.salt)
    path = home.erased / f"receipt-{now:%Y%m%dT%H%M%S}-{receipt.signature[:8]}.json"
    write_whole_json(path, asdict(receipt))
    return receipt, path


def is_ours(path: Path, salt: str) -> bool:
    """Whether a receipt is as it was written, under this TENURE_SALT.

    Raises
    ------
    NotReadyError, CorruptError
        If there is no such file, or it is not JSON.
    InputError
        If it is not a receipt.
    """
    try:
        held = Receipt(**read_json(path, "name a receipt of `tenure erase`"))
    except TypeError:
        raise InputError(f"{path}: not a receipt; cure: name one that `tenure erase` wrote") from None
    return hmac.compare_digest(_signed(held, salt).signature, held.signature)


def _signed(receipt: Receipt, salt: str) -> Receipt:
    said = {name: value for name, value in asdict(receipt).items() if name != "signature"}
    digest = hmac.digest(salt.encode(), b"receipt " + json.dumps(said, sort_keys=True).encode(), sha256)
    return Receipt(**said, signature=digest.hex())


def _from_scores(home: Home, ids: Collection[str]) -> int:
    total = 0
    for path in sorted(home.scores.glob("*.parquet")):
        held = read_json(path.with_suffix(".json"), "score again")
        whole = held["sha256"] == sha256_of(path)  # what is damaged already stays so to be seen
        count = without(path, ids)
        if count and whole:
            write_whole_json(path.with_suffix(".json"), {**held, "sha256": sha256_of(path)})
        total += count
    return total


def _from_list(path: Path, ids: Collection[str]) -> int:
    """The list anew without their rows, and the hash of it in its manifest, whose counts stay."""
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    gone = {safe_cell(who) for who in ids}
    left = [row for row in rows if row[CUSTOMER_ID] not in gone]
    about = path.with_name(f"{path.name}.manifest.json")
    manifest: dict[str, Any] = read_json(about, "pull the list again")
    if len(left) < len(rows):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(left)
        content = text.getvalue().encode()
        write_list(path, content, {**manifest, "sha256": sha256(content).hexdigest()})
    return len(rows) - len(left)


def _from_pages(home: Home, ids: Collection[str]) -> int:
    """Pages that name one of them, as those about quality do of rows that broke the contract."""
    named = [who.encode() for who in ids]
    pages = [path for path in sorted(home.reports.rglob("*")) if path.is_file()]
    theirs = [path for path in pages if any(who in path.read_bytes() for who in named)]
    for path in theirs:
        path.unlink()
    return len(theirs)


def _learned(home: Home) -> Mapping[str, str]:
    try:
        return load_scorer(home).versions
    except NotReadyError:
        return {}
