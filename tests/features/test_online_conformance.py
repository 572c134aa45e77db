"""One contract, two storages: our own file, and Feast's Redis store behind our reader."""

import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from features.errors import NotReadyError
from features.home import Home
from features.online import OnlineReader
from features.online.packed import Codec
from features.online.storage import FUTURE, OLDER, Storage, open_storage, to_us
from tests.features.online_rows import AS_OF, VIEWS, WORDS, batch, money, publish, redis_server

DAY = timedelta(days=1)
ROWS = {
    "C1": (2**63 - 1, -0.0, "née 🙂", 0),
    "C2": (None, math.nan, "", None),
    "C3": (0, None, None, -(2**63)),
}


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture(params=["embedded", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "embedded":
        return ""
    found: str = request.getfixturevalue("redis_url")
    redis.Redis.from_url(found).flushall()
    return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def storage(home: Home, url: str) -> Iterator[Storage]:
    opened = open_storage(home, url)
    yield opened
    opened.close()


def test_null_missing_and_unknown_are_told_apart(home: Home, url: str, storage: Storage) -> None:
    online = publish(storage, "g1", ROWS)
    storage.put(online, money("C4", AS_OF, 5))
    reader = OnlineReader(home, url)
    assert (reader.generation, reader.as_of) == ("g1", AS_OF)
    asked = ["C4", "nobody", "C2", "C1", "C3", "C2"]
    for rows in (reader.read(asked), reader.read(asked[:4]), reader.read(asked * 4)):
        n = len(rows.found)
        assert rows.found == ([True, False, True, True, True, True] * 4)[:n]
        assert rows.as_of == ([AS_OF, None, AS_OF, AS_OF, AS_OF, AS_OF] * 4)[:n]
        assert rows.missing[:4] == [("words",), ("money", "words"), (), ()]
        assert rows.stale == [()] * n
        assert rows.columns["balance"][:4] == [5, None, None, 2**63 - 1]
        assert rows.columns["region"][:4] == [None, None, "", "née 🙂"]
        assert rows.columns["visits"][:4] == [None, None, None, 0]
        share = rows.columns["share"]
        assert share[0] is None
        assert math.isnan(share[2])
        assert math.copysign(1, share[3]) == -1
        assert list(rows.columns) == ["balance", "share", "region", "visits"]


def test_nobody_reads_a_generation_before_it_is_whole(home: Home, url: str, storage: Storage) -> None:
    with pytest.raises(NotReadyError, match="tenure features materialize"):
        OnlineReader(home, url)
    publish(storage, "g1", ROWS)
    reader = OnlineReader(home, url)
    later = storage.begin("g2", AS_OF + DAY, VIEWS)
    storage.load(later, batch({"C1": (1, 1.0, "x", 1)}, AS_OF + DAY))
    assert reader.read(["C1", "C3"]).columns["balance"] == [2**63 - 1, 0]
    assert storage.count(later) == 1
    storage.flip(later)
    rows = reader.read(["C1", "C3"])  # the same reader follows
    assert (rows.columns["balance"], rows.found) == ([1, None], [True, False])
    assert (reader.generation, reader.as_of) == ("g2", AS_OF + DAY)


def test_a_writer_that_died_leaves_the_old_generation_and_no_trace(
    home: Home, url: str, storage: Storage
) -> None:
    publish(storage, "g1", ROWS)
    before = storage.content_hash()
    storage.load(storage.begin("dead", AS_OF, VIEWS), batch({"C9": (1, 1.0, "x", 1)}))
    assert storage.content_hash() == before
    publish(storage, "g2", ROWS)
    assert storage.content_hash() == before
    assert OnlineReader(home, url).read(["C9"]).found == [False]


def test_older_never_overwrites_newer(home: Home, url: str, storage: Storage) -> None:
    online = publish(storage, "g1", ROWS)
    reader = OnlineReader(home, url)

    def balance() -> int:
        return reader.read(["C1"]).columns["balance"][0]

    assert storage.put(online, money("C1", AS_OF + DAY, 10)) == 1
    assert storage.put(online, money("C1", AS_OF - DAY, 11)) == 0
    assert storage.put(online, money("C1", AS_OF + DAY, 10)) == 0  # the same again: no effect
    assert (balance(), storage.counters()) == (10, {OLDER: 1})
    later = AS_OF + DAY
    assert storage.put(online, money("C1", later, 12, created=later + DAY)) == 1
    assert storage.put(online, money("C1", later, 13, created=later)) == 0
    assert (balance(), storage.counters()) == (12, {OLDER: 2})


def test_of_two_rows_in_one_batch_the_newer_wins_in_any_order(
    home: Home, url: str, storage: Storage
) -> None:
    online = publish(storage, "g1", ROWS)
    new, old = money("C1", AS_OF + 2 * DAY, 2)["money"], money("C1", AS_OF + DAY, 1)["money"]
    storage.put(online, {"money": new + old})
    storage.put(online, {"money": [("C2", old[0][1]), ("C2", new[0][1])]})
    assert OnlineReader(home, url).read(["C1", "C2"]).columns["balance"] == [2, 2]


def test_a_row_from_the_future_is_quarantined_and_cannot_pin(
    home: Home, url: str, storage: Storage
) -> None:
    online = publish(storage, "g1", ROWS)
    assert storage.put(online, money("C3", AS_OF + 900 * DAY, 1), latest=AS_OF + DAY) == 0
    assert storage.put(online, money("C3", AS_OF + DAY, 2), latest=AS_OF + DAY) == 1
    assert storage.counters() == {FUTURE: 1}
    assert OnlineReader(home, url).read(["C3"]).columns["balance"] == [2]


def test_a_row_older_than_its_ttl_is_stale_and_its_values_are_gone(
    home: Home, url: str, storage: Storage
) -> None:
    online = publish(storage, "g1", ROWS)
    storage.put(online, money("C3", AS_OF + DAY, 7))
    reader = OnlineReader(home, url)
    edge = AS_OF + 35 * DAY
    assert reader.read(["C1"], edge).stale == [()]
    rows = reader.read(["C1", "C3", "nobody"], edge + timedelta(microseconds=1))
    assert rows.stale == [("money",), (), ()]  # `words` never grows stale
    assert rows.missing == [(), (), ("money", "words")]
    assert rows.columns["balance"] == [None, 7, None]
    assert rows.columns["region"] == ["née 🙂", None, None]
    assert rows.found == [True, True, False]
    assert rows.as_of == [AS_OF, AS_OF + DAY, None]


def test_a_batch_does_not_undo_a_newer_row_and_a_newer_batch_does(
    home: Home, url: str, storage: Storage
) -> None:
    online = publish(storage, "g1", ROWS)
    storage.put(online, money("C1", AS_OF + 10 * DAY, 10), carried=True)
    storage.put(online, money("C3", AS_OF + 10 * DAY, 30))  # computed anew by its owner, not carried
    storage.put(online, money("C7", AS_OF + 10 * DAY, 70), carried=True)
    reader = OnlineReader(home, url)
    for day, expected in ((5, [10, 0]), (6, [10, 0]), (11, [1, 0]), (12, [1, 0])):
        publish(storage, f"day {day}", {**ROWS, "C1": (1, None, "x", 1)}, AS_OF + day * DAY)
        assert reader.read(["C1", "C3"]).columns["balance"] == expected
        assert reader.read(["C1"]).columns["region"] == ["x"]
        assert reader.read(["C7"]).found == [False]


def test_a_deleted_customer_is_gone_from_every_generation(home: Home, url: str, storage: Storage) -> None:
    publish(storage, "g1", ROWS)
    later = storage.begin("g2", AS_OF + DAY, VIEWS)
    storage.load(later, batch(ROWS, AS_OF + DAY))
    assert storage.delete_customers(["C2", "nobody"]) == 1
    reader = OnlineReader(home, url)
    assert reader.read(["C1", "C2", "C3"]).found == [True, False, True]
    storage.flip(later)
    assert reader.read(["C1", "C2", "C3"]).found == [True, False, True]
    assert storage.count(later) == 2
    assert storage.stamps(later, ["C1", "C2"]) == {"C1": AS_OF + DAY}


def test_the_content_hash_is_that_of_the_rows_wherever_they_lie(
    tmp_path: Path, url: str, storage: Storage
) -> None:
    publish(storage, "g1", ROWS)
    elsewhere = open_storage(Home(tmp_path / "elsewhere"))
    online = publish(elsewhere, "another name", dict(reversed(ROWS.items())))
    assert storage.content_hash() == elsewhere.content_hash()
    row = Codec(WORDS).pack(to_us(AS_OF), to_us(AS_OF) + 1, ["née 🙂", 1])
    elsewhere.put(online, {"words": [("C1", row)]})
    assert storage.content_hash() != elsewhere.content_hash()
    elsewhere.close()


def test_a_redis_that_does_not_answer_is_named_without_its_password(home: Home) -> None:
    with pytest.raises(NotReadyError, match="TENURE_ONLINE") as error:
        OnlineReader(home, "redis://:secret@127.0.0.1:1/0")
    assert "secret" not in str(error.value)
