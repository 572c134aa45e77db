"""Pushed events and materialisation on a small simulated bank."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from features.catalogue import load_catalogue
from features.compute import feature_table, spine_of
from features.errors import NotReadyError
from features.families import all_families
from features.history.cut import cut_history
from features.history.load import import_folder
from features.history.read import connect
from features.home import Home, only_writer
from features.online import OnlineReader
from features.online.events import Event, Events
from features.online.materialize import materialize
from features.online.push import Pushed, delete_customers, push
from features.online.sqlite import SqliteStorage
from features.online.storage import open_storage
from features.settings import Settings, read_settings
from features.simulate import simulate
from features.snapshots import current_generation, read_snapshot
from features.store import build, open_store
from features.views import DECISION_SERVICE
from serving.cli.main import main
from tests.features.conftest import row, write_bank
from tests.features.online_rows import redis_server

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
NOW = AS_OF + timedelta(hours=20)
SETTINGS = replace(read_settings({}), threads=2, memory="1GB")


def silent(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Case:
    """A home whose customer complained, drew money and opened the app; and what each push answered."""

    home: Home
    customer_id: str
    events: list[dict[str, Any]]
    answers: list[Pushed]
    before: dict[str, Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A bank that is online; do not write to it."""
    folder = tmp_path_factory.mktemp("push")
    home = Home(folder / "home")
    simulate(folder / "raw", home.truth, customers=90, months=14, seed=3, end=AS_OF, tell=silent)
    import_folder(folder / "raw", home, None, append=False, threads=2, memory="1GB", tell=silent)
    build(home, AS_OF, 0, SETTINGS, silent)
    materialize(home, silent, SETTINGS)
    return home


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    shutil.copytree(home.path, tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture(scope="module")
def case(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The newest event comes first, and then all again."""
    copy = Home(tmp_path_factory.mktemp("case") / "home")
    shutil.copytree(home.path, copy.path)
    customer_id, holding_id, balance = account(copy)
    events = [
        contact("X1", customer_id, 3, kind="complaint", channel="call"),
        booking("B1", customer_id, holding_id, 5, amount=-900_000, balance_after=balance - 900_000),
        booking("B2", customer_id, holding_id, 1, amount=-100, balance_after=balance + 7, currency="USD"),
        contact("X2", customer_id, 9, kind="session", channel="app"),
        contact("X3", customer_id, 2, product="investment", response="refused"),
    ]
    before = one(copy, customer_id)
    answers = [push(copy, some, NOW, SETTINGS) for some in ([events[3], events[1]], events)]
    return Case(copy, customer_id, events, answers, before)


def account(home: Home) -> tuple[str, str, int]:
    """A customer with a manager or a household, a holding of theirs, and its balance."""
    history = home.history
    query = f"""
        SELECT customer_id, holding_id, last(balance_after ORDER BY seq)
        FROM '{history}/transactions.parquet'
        JOIN (SELECT DISTINCT customer_id FROM '{history}/customers.parquet'
              WHERE manager_id IS NOT NULL OR household_id IS NOT NULL) USING (customer_id)
        JOIN (SELECT holding_id FROM '{history}/holdings.parquet' WHERE product = 'current_account'
              GROUP BY 1 HAVING count(closed_at) = 0) USING (holding_id)
        GROUP BY 1, 2 ORDER BY 1 LIMIT 1"""
    [found] = duckdb.sql(query).fetchall()
    return found


def contact(number: str, customer_id: str, hour: int, **values: Any) -> dict[str, Any]:
    at = AS_OF + timedelta(hours=hour)
    return row("interactions", interaction_id=number, customer_id=customer_id, at=at, **values)


def booking(number: str, customer_id: str, holding_id: str, hour: int, **values: Any) -> dict[str, Any]:
    at = AS_OF + timedelta(hours=hour)
    ids = {"transaction_id": number, "customer_id": customer_id, "holding_id": holding_id}
    return row("transactions", **ids, at=at, **{"category": "cash_out", "channel": "atm", **values})


def one(home: Home, customer_id: str) -> dict[str, Any]:
    rows = OnlineReader(home).read([customer_id])
    assert rows.found == [True]
    return {name: values[0] for name, values in rows.columns.items()}


def content(home: Home) -> str:
    with closing(SqliteStorage(home.online_db)) as storage:
        return storage.content_hash()


def test_events_change_the_features_at_once(case: Case) -> None:
    assert case.answers == [Pushed(("X2", "B1"), (), {}), Pushed(("X1", "B2", "X3"), ("B1", "X2"), {})]
    after, before = one(case.home, case.customer_id), case.before
    assert after["complaints_open"] == before["complaints_open"] + 1
    assert after["days_since_complaint"] == 0
    assert after["days_since_refusal_investment"] == 0
    assert after["outflow_sum_30d"] <= before["outflow_sum_30d"] - 900_000
    assert after["balance_total"] == before["balance_total"] - 900_000
    assert after["sessions_30d"] == before["sessions_30d"] + 1


def test_pushed_in_any_order_and_twice_they_are_as_if_imported(case: Case, tmp_path: Path) -> None:
    """Computed on the whole bank after an import of the same rows: every field is equal."""
    reader = OnlineReader(case.home)
    [moment] = reader.read([case.customer_id]).as_of
    assert moment is not None
    whole = Home(tmp_path / "home")
    shutil.copytree(case.home.history, whole.history)
    shutil.copy(case.home.catalogue, whole.catalogue)
    rows = {name: [e for e in case.events if key in e] for name, key in KEYS.items()}
    folder = write_bank(tmp_path / "new", **rows)
    import_folder(folder, whole, None, append=True, threads=2, memory="1GB", tell=silent)
    cut = cut_history(connect(whole, 2, "1GB"), moment)
    table = feature_table(cut, spine_of(cut), all_families(load_catalogue(whole.catalogue)))
    frame = table.filter(table.customer_id == case.customer_id).to_pyarrow().to_pylist()
    online = one(case.home, case.customer_id)
    assert {name: frame[0][name] for name in online} == online


KEYS = {"interactions": "interaction_id", "transactions": "transaction_id"}


def test_nobody_else_changes(case: Case, home: Home) -> None:
    others = [i for i in read_snapshot(home, AS_OF)["customer_id"] if i != case.customer_id]
    assert OnlineReader(case.home).read(others) == OnlineReader(home).read(others)


def test_a_batch_does_not_undo_events_and_a_lost_store_comes_back_with_them(case: Case) -> None:
    before = one(case.home, case.customer_id)
    materialize(case.home, silent, SETTINGS)
    assert one(case.home, case.customer_id) == before
    known = content(case.home)
    case.home.online_db.unlink()
    materialize(case.home, silent, SETTINGS)
    assert content(case.home) == known


def test_what_breaks_the_contract_is_rejected_with_its_reason_and_not_stored(own: Home) -> None:
    who, holding_id, _ = account(own)
    good = contact("good", who, 1)
    bad: dict[str, tuple[dict[str, Any], str]] = {
        "a": ({"customer_id": "nobody"}, "unknown_customer"),
        "b": ({"kind": "séance"}, "not_allowed:kind"),
        "c": ({"product": "yacht"}, "unknown_product:product"),
        "d": ({"at": NOW + timedelta(minutes=5, microseconds=1)}, "in_future:at"),
        "e": ({"at": NOW.replace(tzinfo=None)}, "wrong_type:at"),
        "f": ({"at": "yesterday"}, "wrong_type:at"),
        "g": ({"cost": 1.5}, "wrong_type:cost"),
        "h": ({"cost": -1}, "out_of_range:cost"),
        "i": ({"rating": float("nan")}, "out_of_range:rating"),
        "j": ({"rating": True}, "wrong_type:rating"),
        "k": ({"channel": None}, "empty:channel"),
        "l": ({"pin": "4711"}, "unknown_column:pin"),
        "m": ({"resolved_at": AS_OF - timedelta(days=9)}, "end_before_start:resolved_at"),
        "n": ({"cost": 2**63}, "wrong_type:cost"),
    }
    events = [{**good, "interaction_id": id_, **change} for id_, (change, _) in bad.items()]
    expected = {id_: why for id_, (_, why) in bad.items()}
    book = booking("x", who, holding_id, 1)
    for id_, change, why in (
        ("o", {"holding_id": "of somebody else"}, "orphan:holding_id"),
        ("p", {"currency": "XXX"}, "unknown_currency:currency"),
        ("q", {"amount": 100.0}, "wrong_type:amount"),
    ):
        events.append({**book, "transaction_id": id_, **change})
        expected[id_] = why
    events += [{"customer_id": who}, {**good, **book}]
    expected |= {"event 17": "neither an interaction nor a booking"}
    events[-1]["interaction_id"] = "both"
    expected |= {"both": "neither an interaction nor a booking"}
    before = content(own)
    assert push(own, events, NOW, SETTINGS) == Pushed((), (), expected)
    assert content(own) == before
    with closing(Events(own)) as stored:
        assert stored.pending() == []


def test_events_that_history_holds_have_no_effect(own: Home) -> None:
    table = pq.read_table(own.history / "interactions.parquet")
    online = set(read_snapshot(own, AS_OF)["customer_id"])
    known = next(r for r in table.to_pylist() if r["customer_id"] in online)
    event = {name: value for name, value in known.items() if name != "known_until"}
    before = content(own)
    answer = push(own, [event], NOW, SETTINGS)
    assert answer == Pushed((), (event["interaction_id"],), {})
    assert content(own) == before


def test_an_event_is_forgotten_only_once_a_later_generation_stands_on_history(tmp_path: Path) -> None:
    with closing(Events(Home(tmp_path))) as stored:
        stored.add([Event("interactions", "X1", "C1", {"at": AS_OF})] * 2)
        [(number, event)] = stored.pending()
        assert event.row == {"at": AS_OF.isoformat()}
        stored.settle([number], "2026-01-01.1")
        stored.settle([number], "2026-01-01.1")
        assert len(stored.pending(["C1"])) == 1
        stored.settle([number], "2026-01-01.2")
        assert stored.pending() == []


def test_an_event_that_was_stored_but_not_applied_is_applied_when_it_comes_again(own: Home) -> None:
    who, _, _ = account(own)
    event = contact("X1", who, 3, kind="complaint")
    texts = {n: v.isoformat() if isinstance(v, datetime) else v for n, v in event.items()}
    with closing(Events(own)) as stored:  # as a kill between the two would leave it
        stored.add([Event("interactions", "X1", who, texts)])
    before = one(own, who)["complaints_open"]
    assert push(own, [texts], NOW, SETTINGS) == Pushed((), ("X1",), {})
    assert one(own, who)["complaints_open"] == before + 1


def test_a_deleted_customer_leaves_neither_rows_nor_events(own: Home) -> None:
    who, _, _ = account(own)
    with closing(Events(own)) as stored:
        stored.add([Event("interactions", "X1", who, {"kind": "complaint-of-the-erased"})])
    assert delete_customers(own, [who], SETTINGS) == 1
    assert OnlineReader(own).read([who]).found == [False]
    for path in (*own.path.glob("online.db*"), *own.path.glob("events.db*")):
        assert who.encode() not in path.read_bytes(), path.name
        assert b"complaint-of-the-erased" not in path.read_bytes(), path.name


def test_online_is_the_snapshot_also_through_feast(home: Home) -> None:
    frame = read_snapshot(home, AS_OF)
    ids = frame["customer_id"].tolist()
    rows = OnlineReader(home).read(ids)
    for name in frame.columns.drop(["customer_id", "as_of"]):
        assert rows.columns[name] == [None if pd.isna(v) else v for v in frame[name]], name
    store = open_store(home)
    service = store.get_feature_service(DECISION_SERVICE)
    asked = [{"customer_id": i} for i in ids[:5]]
    found = store.get_online_features(service, asked).to_dict()
    assert {n: found[n] for n in rows.columns} == {n: v[:5] for n, v in rows.columns.items()}


def test_a_lost_or_damaged_store_is_rebuilt_to_the_same_content(own: Home) -> None:
    before = content(own)
    content_now = own.online_db.read_bytes()
    torn = content_now[:40_000] + bytes(reversed(content_now[40_000:]))  # sound at its beginning
    for damage in (b"", b"no database, whatever its name says" * 99, torn, None):
        if damage is None:
            own.online_db.unlink()
        else:
            own.online_db.write_bytes(damage)
        materialize(own, silent, SETTINGS)
        assert content(own) == before
        assert OnlineReader(own).generation == current_generation(own).name


@pytest.mark.parametrize("line", ["customers written", "becomes current"])
def test_a_materialisation_that_is_broken_off_leaves_what_was_online(own: Home, line: str) -> None:
    before = content(own)
    with pytest.raises(KeyboardInterrupt):
        materialize(own, _breaks_at(line), SETTINGS)
    assert content(own) == before
    materialize(own, silent, SETTINGS)
    assert content(own) == before


def _breaks_at(text: str) -> Callable[[str], None]:
    def tell(line: str) -> None:
        if text in line:
            raise KeyboardInterrupt

    return tell


def test_redis_holds_the_same_rows_and_takes_the_same_events(case: Case, tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        settings = replace(SETTINGS, online=url)
        shutil.copytree(case.home.path, tmp_path / "home")
        own = Home(tmp_path / "home")
        materialize(own, silent, SETTINGS)
        materialize(own, silent, settings)
        with closing(open_storage(own, url)) as storage:
            assert storage.content_hash() == content(own)
        late = contact("X3", case.customer_id, 12, kind="complaint", channel="call")
        for each in (SETTINGS, settings):
            with closing(Events(own)) as stored:
                stored.delete_customers([case.customer_id])
            assert push(own, [late], NOW, each).accepted == ("X3",)
        with closing(open_storage(own, url)) as storage:
            assert storage.content_hash() == content(own)
        ids = read_snapshot(own, AS_OF)["customer_id"].tolist()
        assert OnlineReader(own, url).read([*ids, "nobody"]) == OnlineReader(own).read([*ids, "nobody"])


def test_a_second_materialiser_is_told_that_it_is_locked(own: Home) -> None:
    before = content(own)
    with only_writer(own):
        done = CliRunner().invoke(main, ["features", "materialize", "--home", str(own.path)])
    assert done.exit_code == NotReadyError.exit_code
    assert "locked" in done.stderr
    assert content(own) == before


def test_nothing_can_be_pushed_before_anything_is_online(tmp_path: Path) -> None:
    settings: Settings = replace(SETTINGS, home=tmp_path)
    with pytest.raises(NotReadyError, match="nothing is online"):
        push(Home(tmp_path), [contact("X1", "C1", 1)], NOW, settings)
