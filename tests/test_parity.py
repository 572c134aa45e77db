"""One path to a number: batch and live answer alike to the bit, and features offline and online."""

import math

import numpy as np
import pandas as pd
import pytest

from features.catalogue import load_catalogue
from features.families import all_families
from features.home import Home
from features.online import OnlineReader
from features.snapshots import current_generation, read_snapshot
from features.store import join_features
from serving.batch import read_scores
from serving.champions import load_scorer
from serving.deciding.adviser import LIVE, adviser_of
from serving.deciding.decide import decide
from serving.lists.sources import gather, parts
from serving.live import load_live
from serving.log.decisions import read_decisions
from serving.log.records import Occasion, records, window_of
from serving.scoring import OK


@pytest.fixture(scope="module")
def customer_ids(bank: Home) -> list[str]:
    return read_snapshot(bank, current_generation(bank).as_of)["customer_id"].tolist()


def test_live_scores_are_the_batchs_to_the_bit(bank: Home, customer_ids: list[str]) -> None:
    live = load_live(bank)
    _, frame = read_scores(bank, load_scorer(bank))
    batch = frame.set_index("customer_id")
    assert batch.index.tolist() == customer_ids
    scored = 0
    for start in range(0, len(customer_ids), 400):
        for answer in live.answer(customer_ids[start : start + 400], with_reasons=False):
            row = batch.loc[answer.customer_id]
            assert answer.status == row["status"]
            numbers = {n: v for n, v in row.drop(["status", "reasons", "pooled"]).items() if not pd.isna(v)}
            assert answer.values == numbers  # == on floats: to the bit
            scored += answer.status == OK
    assert scored > 0.8 * len(customer_ids)


def test_live_offers_are_the_batchs_to_the_bit(
    own_bank: tuple[Home, object], customer_ids: list[str]
) -> None:
    home, salt = own_bank[0], "parity"
    adviser = adviser_of(load_live(home), home, salt)
    asked = customer_ids[::-1]  # another order, and other neighbours
    for start in range(0, len(asked), 700):
        adviser.answer(asked[start : start + 700], name="parity")
    live = {d.customer_id: d for d in read_decisions(home.decisions_db, LIVE)}
    sources = gather(home)
    occasion = Occasion(
        *(LIVE, LIVE, sources.scorer.versions, sources.generation.name, "", *[sources.as_of] * 2),
        window_days=window_of(sources.catalogue.options),
    )
    offered = 0
    for part in parts(sources):
        free = np.zeros(len(sources.catalogue.options))
        decided = decide(part.ids, part.weighed, free, sources.policy, salt=salt, occasion=sources.as_of)
        names, worth = [f"parity:{i}" for i in part.ids], part.scores["value_expected"]
        batch = records(
            *(occasion, names, part.ids, decided, part.effects, worth, sources.catalogue, sources.policy)
        )
        for decision in batch:
            assert live[decision.customer_id] == decision  # == on floats: to the bit
        offered += sum(bool(decision.action) for decision in batch)
    assert len(live) == len(customer_ids) and offered > 0.2 * len(customer_ids)


def test_one_customer_alone_is_offered_what_a_crowd_is(
    own_bank: tuple[Home, object], customer_ids: list[str]
) -> None:
    adviser = adviser_of(load_live(own_bank[0]), own_bank[0], "parity")
    crowd = adviser.answer(customer_ids[:30], name="same", limit=3, with_reasons=True)
    for one in crowd:
        assert adviser.answer([one.customer_id], name="same", limit=3, with_reasons=True) == [one]


def test_each_horizons_parts_sum_to_it_and_a_longer_one_is_missing_or_scored(bank: Home) -> None:
    scorer = load_scorer(bank)
    _, frame = read_scores(bank, scorer)
    assert [(h.months, bool(h.missing)) for h in scorer.horizons] == [(24, False), (36, True)]
    for name in ("value", "value_24m"):
        parts = sum(frame[f"{name}_{part}"] for part in scorer.parts)
        assert frame[f"{name}_expected"].notna().any()
        assert (frame[f"{name}_expected"] - parts).abs().max() < 0.005
    assert not [column for column in frame if column.startswith("value_36m")]


def test_one_customer_alone_is_answered_as_in_a_crowd(bank: Home, customer_ids: list[str]) -> None:
    live = load_live(bank)
    crowd = {a.customer_id: a for a in live.answer(customer_ids[:50], with_reasons=True)}
    for customer_id in customer_ids[:50]:
        assert live.answer([customer_id], with_reasons=True) == [crowd[customer_id]]


def test_online_features_are_the_offline_ones(bank: Home, customer_ids: list[str]) -> None:
    offline = read_snapshot(bank, current_generation(bank).as_of).set_index("customer_id")
    online = OnlineReader(bank).read(customer_ids)
    assert all(online.found)
    fields = [f for family in all_families(load_catalogue(bank.catalogue)) for f in family.fields]
    assert set(online.columns) == {f.name for f in fields}
    for field in fields:
        expected = [None if pd.isna(v) else v for v in offline.loc[customer_ids, field.name]]
        assert online.columns[field.name] == expected, field.name


def test_training_features_are_the_snapshots(bank: Home) -> None:
    moment = current_generation(bank).snapshots[2]
    snapshot = read_snapshot(bank, moment)
    left = snapshot[["customer_id", "as_of"]].sample(frac=1.0, random_state=3, ignore_index=True)
    joined = join_features(bank, left, "churn_v1")
    assert joined["customer_id"].tolist() == left["customer_id"].tolist()  # rows out = rows in
    expected = snapshot.set_index("customer_id").loc[left["customer_id"]]
    for name in joined.columns.drop(["customer_id", "as_of"]):
        pairs = zip(joined[name], expected[name], strict=True)
        assert all(_same(a, b) for a, b in pairs), name


def _same(joined: object, stored: object) -> bool:
    if pd.isna(joined) or pd.isna(stored):
        return bool(pd.isna(joined) and pd.isna(stored))
    if isinstance(joined, float) and isinstance(stored, float):
        return math.isclose(joined, stored, rel_tol=0.0, abs_tol=0.0)
    return joined == stored


def test_an_unknown_customer_is_never_scored(bank: Home) -> None:
    (answer,) = load_live(bank).answer(["nobody"], with_reasons=True)
    assert (answer.status, answer.reasons, answer.values) == ("abstain", ("unknown_customer",), {})
