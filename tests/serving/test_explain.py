import re
from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from features.families import model_fields
from serving.columns import from_frame
from serving.explain import explain, in_words
from training.artifact import Head, Model
from training.contract import Feature


def test_reasons_are_the_strongest_pushes_and_never_a_protected_feature(models, frame):
    model = models["churn"]
    columns = from_frame(frame)
    reasons = explain(model, "churn", columns)
    push = np.clip(model.contributions("churn", model.matrix(columns)), 0, None)
    names = [f.name for f in model.features]
    assert (push[:, names.index("age_years")] > 0).any(), "the protected feature does push here"
    for row, found in enumerate(reasons):
        assert "age_years" not in [r.code for r in found]
        weights = [r.weight for r in found]
        assert weights == sorted(weights, reverse=True) and sum(weights) <= 1 + 1e-12
        for reason in found:
            assert np.isclose(reason.weight, push[row, names.index(reason.code)] / push[row].sum())


def test_a_reason_reads_with_the_value_and_what_is_typical(models, frame):
    columns = from_frame(frame)
    texts = [r.text for found in explain(models["churn"], "churn", columns) for r in found]
    assert any(t.startswith("Balance: ") and t.endswith("EUR, typical 1,500.00 EUR") for t in texts)


def test_nobody_has_no_reasons(models):
    assert explain(models["churn"], "churn", {}) == []


def test_values_in_words():
    assert in_words("south", "word", "EUR") == "south"
    assert in_words(-1050, "cents", "CZK") == "-10.50 CZK"
    assert in_words(123456.0, "cents (mean)", "EUR") == "1,234.56 EUR"
    assert (in_words(1, "0/1", "EUR"), in_words(0, "0/1", "EUR")) == ("yes", "no")
    assert (in_words(12, "days", "EUR"), in_words(7.25, "0 to 10", "EUR")) == ("12 days", "7.2")
    assert in_words(float("nan"), "ratio", "EUR") == "not known"


def test_every_audience_reads_of_the_same_facts_in_its_own_words(models, frame):
    columns = from_frame(frame)
    told = {
        a: explain(models["churn"], "churn", columns, audience=a)
        for a in ("manager", "customer", "marketer")
    }
    assert told["manager"] == explain(models["churn"], "churn", columns)
    for manager, customer, marketer in zip(*told.values(), strict=True):
        assert [r.code for r in manager] == [r.code for r in customer] == [r.code for r in marketer]
        assert [r.weight for r in manager] == [r.weight for r in customer] == [r.weight for r in marketer]
    reasons = {a: [r for row in rows for r in row if r.code == "balance_total"] for a, rows in told.items()}
    assert re.fullmatch(r"We took into account: balance \([-0-9,.]+ EUR\)\.", reasons["customer"][0].text)
    words = {"Balance: low", "Balance: high", "Balance: as usual"}
    assert {r.text for r in reasons["marketer"]} <= words


@pytest.fixture(scope="module")
def pushed_up():
    """A head of one feature whose score 4,321 pushes up."""
    x = np.repeat([0.0, 4321.0], 100)[:, None]
    params = {
        "objective": "binary",
        "num_leaves": 2,
        "min_data_in_leaf": 5,
        "verbose": -1,
        "num_threads": 1,
    }
    booster = lightgbm.train(params, lightgbm.Dataset(x, x[:, 0] > 0), num_boost_round=2)
    return Head("churn", "probability", {"slope": 1.0, "intercept": 0.0}, booster)


def told_of(head, field, audience, typical=1.0):
    """The reasons where a declared field, at 4,321, is all that pushes the score up."""
    told = (field.label, field.unit, field.protected)
    feature = Feature(field.name, "float64", None, typical, *told)
    model = Model("churn", "test", 180, 0, "EUR", (feature,), (head,), {})
    return explain(model, "churn", {field.name: [4321.0]}, audience=audience)[0]


def test_a_marketer_reads_low_or_high_beside_what_is_typical(pushed_up, catalogue):
    (balance,) = (f for f in model_fields(catalogue) if f.name == "balance_total")
    for typical, word in ((1.0, "high"), (9999.0, "low"), (4321.0, "as usual"), (None, "as usual")):
        (reason,) = told_of(pushed_up, balance, "marketer", typical)
        assert reason.text == f"Balance: {word}"


def test_a_customer_reads_nothing_of_other_people_and_no_judgement(pushed_up, catalogue):
    names = set()
    for field in model_fields(catalogue):
        for reason in told_of(pushed_up, field, "customer"):
            names.add(reason.code)
            assert reason.text.startswith("We took into account: ") and reason.text.endswith(").")
            text = reason.text.lower()
            judging = r"scor|model|typical|predict|risk|leaving|moving away|detractor"
            others = r"same manager|of the household|in the household|household's"
            assert not re.search(f"{judging}|{others}", text), text
    assert {"balance_total", "tenure_days", "household_sum_3m"} <= names
    assert not names & {"household_balance", "manager_portfolio", "leaving_signs", "age_years"}


def test_no_audience_is_ever_told_of_a_protected_feature(models, frame):
    for audience in ("manager", "customer", "marketer"):
        found = explain(models["churn"], "churn", from_frame(frame), top=9, audience=audience)
        assert "age_years" not in {r.code for row in found for r in row}


def test_a_marketer_reads_no_figure(pushed_up, catalogue):
    for field in model_fields(catalogue):
        for reason in told_of(pushed_up, field, "marketer"):
            assert re.search(r": (high|yes)$", reason.text), reason.text


def test_without_the_strongest_reason_the_score_falls_towards_the_base_for_most(models, frame):
    """Remove and rescore: the fact that is named first becomes what is typical."""
    model = models["churn"]
    columns = from_frame(frame)
    matrix = model.matrix(columns)
    names, typical = [f.name for f in model.features], [f.typical for f in model.features]
    before, rows, changed = model.head("churn").raw(matrix), [], matrix.copy()
    for row, found in enumerate(explain(model, "churn", columns, top=1)):
        if found and typical[place := names.index(found[0].code)] is not None:
            changed[row, place] = typical[place]
            rows.append(row)
    after = model.head("churn").raw(changed)
    moved = (after - before)[rows]
    assert len(rows) > 100
    assert np.mean(moved <= 1e-9) > 0.8
    assert moved.mean() < 0


def test_another_seed_gives_mostly_the_same_reasons(models, frame):
    """Of the three strongest facts, at least 0.6 are the same on average after training anew."""
    model = models["churn"]
    columns = from_frame(frame)
    matrix = model.matrix(columns)
    outcome = (model.predict(matrix)["churn"] > np.random.default_rng(4).random(len(matrix))).astype(float)
    told = []
    for seed in (1, 2):
        params = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 20, "bagging_fraction": 0.8}
        params |= {"bagging_freq": 1, "seed": seed, "verbose": -1, "num_threads": 1}
        booster = lightgbm.train(params, lightgbm.Dataset(matrix, outcome), num_boost_round=30)
        again = replace(model, heads=(replace(model.head("churn"), booster=booster),))
        told.append([{r.code for r in row} for row in explain(again, "churn", columns)])
    overlap = [len(a & b) / max(len(a), len(b)) for a, b in zip(*told, strict=True) if a or b]
    assert len(overlap) > 300
    assert np.mean(overlap) >= 0.6
