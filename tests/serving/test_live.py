import numpy as np

from serving.columns import from_frame
from serving.live import Live


def test_live_answers_are_the_batchs_to_the_bit(scorer, frame, memory_reader):
    batch = scorer.score(from_frame(frame))
    ids = frame["customer_id"].tolist()
    for some in (ids[:1], ids[5:40], ids[::-1]):
        for one in Live(scorer, memory_reader()).answer(some, with_reasons=True):
            row = ids.index(one.customer_id)
            assert one.status == batch.status[row]
            expected = {n: float(v[row]) for n, v in batch.values.items() if not np.isnan(v[row])}
            assert one.values == expected


def test_order_is_kept_and_repeats_are_answered_each(scorer, frame, memory_reader):
    ids = ["C0005", "nobody", "C0001", "C0005"]
    answers = Live(scorer, memory_reader()).answer(ids, with_reasons=True)
    assert [a.customer_id for a in answers] == ids
    assert answers[0] == answers[3]
    assert (answers[1].status, answers[1].reasons, answers[1].values) == (
        "abstain",
        ("unknown_customer",),
        {},
    )


def test_old_features_are_degraded_and_still_scored(scorer, frame, memory_reader):
    consenting = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
    fresh = Live(scorer, memory_reader()).answer([consenting], with_reasons=False)[0]
    old = Live(scorer, memory_reader(stale=frozenset([consenting])))
    answer = old.answer([consenting], with_reasons=False)[0]
    assert (answer.status, answer.reasons) == ("degraded", ("stale_features",))
    assert answer.values == fresh.values


def test_a_suppressed_customer_has_neither_scores_nor_reasons(scorer, frame, memory_reader):
    silent = frame.loc[frame["consent_profiling"] == 0, "customer_id"].iloc[0]
    answer = Live(scorer, memory_reader(stale=frozenset([silent]))).answer([silent], with_reasons=True)[0]
    assert (answer.status, answer.reasons) == ("suppressed", ("no_profiling_consent",))
    assert (answer.values, answer.because) == ({}, ())
