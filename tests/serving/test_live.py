from contextlib import closing
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from features.online import OnlineReader
from features.online.packed import Codec, View
from features.online.sqlite import SqliteStorage
from features.online.storage import to_us
from serving.columns import from_frame
from serving.live import Live, load_live
from tests.serving.conftest import AS_OF

DAY = timedelta(days=1)
PROFILE = ("kind", "age_years", "region", "gender", "consent_marketing", "consent_profiling", "tenure_days")
KINDS = {"O": "string", "i": "int64", "I": "int64"}


@pytest.fixture
def views(frame):
    """Two views over the bank's fields: who the customer is (40 days), and all the rest (20 days)."""
    dtypes = {n: KINDS[getattr(t, "kind", "O")] for n, t in frame.dtypes.items() if n != "customer_id"}
    rest = tuple((n, d) for n, d in dtypes.items() if n not in PROFILE)
    return (View("profile", tuple((n, dtypes[n]) for n in PROFILE), 40), View("money", rest, 20))


@pytest.fixture
def online(home, frame, views):
    """The bank's rows in a real online store."""
    stamps = {
        name: pa.array([AS_OF] * len(frame), pa.timestamp("us", "UTC")) for name in ("as_of", "created_at")
    }
    kinds = {"int64": pa.int64(), "string": pa.string()}
    columns, dtypes = from_frame(frame), {n: d for view in views for n, d in view.fields}
    rows = {n: pa.array(columns[n], kinds[d]) for n, d in dtypes.items()}
    batch = pa.record_batch({"customer_id": pa.array(columns["customer_id"]), **stamps, **rows})
    with closing(SqliteStorage(home.online_db)) as storage:
        generation = storage.begin("2026-01-01.1", AS_OF, views)
        storage.load(generation, batch)
        storage.flip(generation)
    return home


def consenting(frame, value=1):
    return frame.loc[frame["consent_profiling"] == value, "customer_id"].iloc[0]


def at(moment):
    return lambda: moment


def test_live_answers_are_the_batchs_to_the_bit(online, frame):
    live = load_live(online)
    batch = live.scorer.score(from_frame(frame))
    ids = frame["customer_id"].tolist()
    for some in (ids[:1], ids[5:40], ids[::-1]):
        for one in live.answer(some, with_reasons=True):
            row = ids.index(one.customer_id)
            assert one.status == batch.status[row]
            expected = {n: float(v[row]) for n, v in batch.values.items() if not np.isnan(v[row])}
            assert one.values == expected


def test_order_is_kept_and_repeats_are_answered_each(online):
    ids = ["C0005", "nobody", "C0001", "C0005"]
    answers = load_live(online).answer(ids, with_reasons=True)
    assert [a.customer_id for a in answers] == ids
    assert answers[0] == answers[3]
    assert (answers[1].status, answers[1].reasons, answers[1].values) == (
        "abstain",
        ("unknown_customer",),
        {},
    )


def test_without_a_clock_the_present_is_the_generations(online, frame):
    live = load_live(online)
    assert (live.generation, live.as_of) == ("2026-01-01.1", AS_OF)
    assert live.answer([consenting(frame)], with_reasons=False)[0].status == "ok"


def test_a_stale_view_is_named_and_counts_as_missing(online, frame):
    who = consenting(frame)
    fresh = load_live(online, at(AS_OF + 20 * DAY)).answer([who], with_reasons=True)[0]
    assert (fresh.status, fresh.reasons) == ("ok", ())
    stale = load_live(online, at(AS_OF + 21 * DAY)).answer([who], with_reasons=True)[0]
    assert (stale.status, stale.reasons) == ("degraded", ("stale:money",))
    scorer = load_live(online).scorer
    row = from_frame(frame.loc[frame["customer_id"] == who])
    without = {name: values if name in PROFILE else [None] for name, values in row.items()}
    assert stale.values == {n: v[0] for n, v in scorer.score(without).values.items() if not np.isnan(v[0])}
    assert stale.values != fresh.values


def test_a_missing_view_is_named_and_counts_as_missing(online, frame, views):
    codec = Codec(views[0])
    row = frame.iloc[[0]].assign(consent_profiling=1)
    values = [from_frame(row)[name][0] for name in codec.names]
    with closing(SqliteStorage(online.online_db)) as storage:
        packed = codec.pack(to_us(AS_OF), to_us(AS_OF), values)
        storage.put(storage.current(), {"profile": [("half", packed)]})
    answer = load_live(online).answer(["half"], with_reasons=False)[0]
    assert (answer.status, answer.reasons) == ("degraded", ("missing:money",))
    assert 0 <= answer.values["churn"] <= 1


def test_an_unknown_consent_is_neither_consent_nor_refusal(online, frame):
    live = load_live(online, at(AS_OF + 41 * DAY))
    for customer_id in (consenting(frame), consenting(frame, 0)):
        answer = live.answer([customer_id], with_reasons=True)[0]
        assert answer.status == "abstain"
        assert answer.reasons == ("consent_unknown", "stale:profile", "stale:money")
        assert (answer.values, answer.because) == ({}, ())


def test_a_suppressed_customer_has_neither_scores_nor_reasons(online, frame):
    live = load_live(online, at(AS_OF + 21 * DAY))
    answer = live.answer([consenting(frame, 0)], with_reasons=True)[0]
    assert (answer.status, answer.reasons) == ("suppressed", ("no_profiling_consent",))
    assert (answer.values, answer.because) == ({}, ())


@pytest.mark.parametrize("damage", [None, b"", b"torn to pieces " * 9_999])
def test_without_a_store_there_is_no_number_and_afterwards_there_is(online, frame, damage):
    live, who = load_live(online), consenting(frame)
    before = live.answer([who], with_reasons=True)
    content = online.online_db.read_bytes()
    online.online_db.unlink()
    if damage is not None:
        online.online_db.write_bytes(damage)
    for answer in live.answer([who, "nobody", who], with_reasons=True):
        assert (answer.status, answer.reasons) == ("abstain", ("features_unavailable",))
        assert (answer.values, answer.because) == ({}, ())
    assert live.generation == "2026-01-01.1"
    online.online_db.unlink(missing_ok=True)
    online.online_db.write_bytes(content)
    assert live.answer([who], with_reasons=True) == before


def test_a_new_generation_is_served_without_a_restart(online, frame, views):
    live, who = load_live(online), consenting(frame)
    with closing(SqliteStorage(online.online_db)) as storage:
        later = storage.begin("2026-02-01.1", AS_OF + 31 * DAY, views)
        storage.flip(later)
        storage.sweep()
    assert live.answer([who], with_reasons=False)[0].reasons == ("unknown_customer",)
    assert (live.generation, live.as_of) == ("2026-02-01.1", AS_OF + 31 * DAY)


def test_the_reader_in_memory_answers_as_the_store_does(online, frame, scorer, memory_reader):
    ids = ["C0003", "nobody", "C0001"]
    real = OnlineReader(online).read(ids)
    assert real.found == memory_reader().read(ids).found
    answers = Live(scorer, memory_reader()).answer(ids, with_reasons=True)
    assert answers == load_live(online).answer(ids, with_reasons=True)
