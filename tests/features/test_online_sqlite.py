"""The embedded online storage under kills, lost and damaged files, and readers at work."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import CorruptError, NotReadyError
from features.home import Home
from features.online import OnlineReader
from features.online.packed import View
from features.online.sqlite import SqliteStorage
from features.online.sqlite_source import SqliteSource
from tests.features.online_rows import AS_OF, VIEWS, batch, money, publish

ROOT = Path(__file__).parents[2]
OLD = {f"C{i:03d}": (i, 0.5, "old", i) for i in range(60)}
NEW = {f"C{i:03d}": (-i, 1.5, "new", -i) for i in range(60)}

WRITER = """
import os, signal, sys
from pathlib import Path
from features.online.sqlite import SqliteStorage
from tests.features.online_rows import AS_OF, VIEWS, batch
from tests.features.test_online_sqlite import NEW

def step(number):
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

storage = SqliteStorage(Path(sys.argv[1]))
step(0)
online = storage.begin("new", AS_OF, VIEWS)
step(1)
rows = list(NEW.items())
for nth in range(3):
    storage.load(online, batch(dict(rows[20 * nth : 20 * nth + 20])))
    step(2 + nth)
if int(sys.argv[2]) == 5:  # in the middle of the flip's transaction
    storage._connection.set_trace_callback(lambda sql: step(5) if sql == "COMMIT" else None)
storage.flip(online)
step(6)
storage.sweep()
step(7)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.mark.parametrize("step", range(8))
def test_a_kill_at_any_moment_leaves_all_of_the_old_or_all_of_the_new(home: Home, step: int) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "old", OLD)
    reader = OnlineReader(home)
    done = subprocess.run([sys.executable, "-c", WRITER, home.online_db, str(step)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    name, rows = ("old", OLD) if step < 6 else ("new", NEW)
    for each in (reader, OnlineReader(home)):
        answer = each.read(list(rows))
        assert each.generation == name
        assert answer.columns["balance"] == [row[0] for row in rows.values()]
        assert answer.columns["region"] == [name] * len(rows)
    with closing(SqliteStorage(home.online_db)) as storage:  # the next writer goes on
        publish(storage, "next", NEW)
        assert storage.count(publish(storage, "last", OLD)) == len(OLD)


def test_a_reader_beside_a_writer_never_mixes_generations(home: Home) -> None:
    storage = SqliteStorage(home.online_db)
    publish(storage, "0", dict.fromkeys(OLD, (0, None, "0", 0)))

    def write() -> None:
        for number in range(1, 25):
            publish(storage, str(number), {who: (number, None, str(number), number) for who in OLD})

    writer = threading.Thread(target=write)
    reader, seen = OnlineReader(home), set()
    writer.start()
    while True:
        last = not writer.is_alive()
        rows = reader.read(list(OLD))
        values = {*rows.columns["balance"], *rows.columns["visits"], *map(int, rows.columns["region"])}
        assert values == {int(reader.generation)}
        seen |= values
        if last:
            break
    writer.join()
    storage.close()
    assert max(seen) == 24


def test_space_is_used_again(home: Home) -> None:
    many = {f"C{i:06d}": (i, 0.5, "region " * 20, i) for i in range(2_000)}
    sizes = []
    with closing(SqliteStorage(home.online_db)) as storage:
        for number in range(6):
            publish(storage, str(number), many)
            sizes.append(home.online_db.stat().st_size)
    assert sizes[-1] == sizes[1]


def test_nothing_of_a_deleted_customer_is_left_in_any_byte(home: Home) -> None:
    secret = "Tregarthen-Sørensen 4711"
    rows = {**OLD, "C-erased-me": (987_654_321_987, 0.5, secret, 1)}
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "one", rows)
        online = publish(storage, "two", rows)
        storage.put(online, money("C-erased-me", AS_OF + timedelta(days=1), 123_456_789_123), carried=True)
        assert any(secret.encode() in path.read_bytes() for path in home.path.glob("online.db*"))
        assert storage.delete_customers(["C-erased-me"]) == 1
        traces = [secret.encode(), b"C-erased-me"]
        traces += [n.to_bytes(8, "little") for n in (987_654_321_987, 123_456_789_123)]
        for path in home.path.glob("online.db*"):
            content = path.read_bytes()
            assert [trace for trace in traces if trace in content] == [], path.name


def test_a_lost_file_is_missed_at_the_next_read_and_found_when_it_is_back(home: Home) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "old", OLD)
    reader = OnlineReader(home)
    home.online_db.unlink()
    with pytest.raises(NotReadyError, match="tenure features materialize"):
        reader.read(["C001"])
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "new", NEW)
    assert reader.read(["C001"]).columns["region"] == ["new"]
    assert reader.generation == "new"


def test_a_log_that_outlived_its_file_is_not_replayed_into_the_next(home: Home) -> None:
    storage = SqliteStorage(home.online_db)
    storage.flip(online := storage.begin("old", AS_OF, VIEWS))
    storage.load(online, batch(OLD))
    assert home.online_db.with_name("online.db-wal").stat().st_size > 0
    home.online_db.unlink()
    with closing(SqliteStorage(home.online_db)) as fresh:
        assert fresh.current() is None
        publish(fresh, "new", NEW)
    storage.close()
    assert OnlineReader(home).generation == "new"


def test_damage_is_an_error_and_never_a_value(home: Home) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "old", OLD)
    reader = OnlineReader(home)
    assert reader.read(["C001"]).found == [True]
    content = home.online_db.read_bytes()
    with home.online_db.open("r+b") as file:  # the pages, under the reader's feet
        file.seek(100)
        file.write(os.urandom(len(content) - 100))
    fresh: list[OnlineReader] = []
    with pytest.raises((CorruptError, NotReadyError)):
        fresh.append(OnlineReader(home))
        fresh[0].read(["C001"])
    home.online_db.write_bytes(b"no database at all, but long enough to look like one " * 400)
    with pytest.raises(CorruptError, match="cure: run `tenure features materialize`"):
        OnlineReader(home)
    with pytest.raises(CorruptError, match="not an online store"):
        SqliteStorage(home.online_db)


def test_another_databases_file_is_never_taken_for_ours(home: Home) -> None:
    home.path.mkdir()
    with closing(sqlite3.connect(home.online_db)) as other, other:
        other.execute("CREATE TABLE tenure_profile (entity_key BLOB)")
    with pytest.raises(NotReadyError, match="not an online store of this edition"):
        OnlineReader(home)
    with pytest.raises(CorruptError, match="not an online store of this edition"):
        SqliteStorage(home.online_db)


def test_a_view_that_was_declared_anew_is_missing_until_it_is_written_anew(home: Home) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "old", OLD)
        reader = OnlineReader(home)
        assert reader.read(["C001"]).columns["visits"] == [1]
        storage.with_view(View("words", (("visits", "string"), ("region", "string"))), AS_OF)
    rows = reader.read(["C001"])
    assert (rows.columns["visits"], rows.missing) == ([None], [("words",)])
    assert rows.columns["balance"] == [1]


def test_reading_writes_nothing(home: Home) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "old", OLD)
    before = home.online_db.read_bytes()
    OnlineReader(home).read(list(OLD))
    assert home.online_db.read_bytes() == before


def test_one_statement_says_what_the_transaction_says_and_gives_way_to_a_new_generation(home: Home) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "old", OLD)
        source = SqliteSource(home.online_db)
        asked = ["C007", "nobody", "C000", "C007"]
        online, parts = source.fetch(asked)
        few = source.rows(asked)
        assert few is not None
        assert few[0] == online
        for view, part, at in zip(online.views, parts, range(2), strict=True):
            assert [event or 0 for event in part.events] == few[1].events[:, at].tolist()
            assert part.columns == [few[1][name] for name in view.names]
        publish(storage, "new", NEW)
    assert source.rows(asked) is None
    assert source.fetch(["C007"])[1][0].columns == [[-7], [1.5]]
    found = source.rows(["C007"])
    assert found is not None
    assert found[1]["balance"] == [-7]
