import numpy as np
import pytest

from training.added import across_products, added_products, beside, product_metrics, tenths_across
from training.evaluate import Evaluation, HeadResult


def head(name: str, rows: list[int], actual: list[float], predicted: list[float], **m: float) -> HeadResult:
    return HeadResult(
        name, "probability", m, np.array(actual), np.array(predicted), rows=np.array(rows, dtype=np.intp)
    )


def test_a_product_found_in_second_place_counts_less_than_one_in_the_first() -> None:
    card = head("card", [0, 1], [1, 0], [0.9, 0.8])
    loan = head("loan", [0, 1], [0, 1], [0.2, 0.3])
    found = added_products(Evaluation((card, loan)), k=2)
    assert found["map_2"] == (1 + 1 / 2) / 2
    assert found["ndcg_2"] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    both = added_products(Evaluation((card, head("loan", [0, 1], [1, 0], [0.2, 0.3]))), k=2)
    assert both["ndcg_2"] == 1.0, "both of two were added by the only one who added anything"


def test_exposure_is_even_where_each_product_is_somebodys_first_and_uneven_where_one_is_everybodys() -> (
    None
):
    rows = [0, 1, 2, 3]
    first = head("card", rows, [1, 0, 0, 0], [0.9, 0.9, 0.1, 0.1])
    other = head("loan", rows, [0, 0, 1, 0], [0.2, 0.2, 0.8, 0.8])
    assert added_products(Evaluation((first, other)), k=1)["exposure_gini_1"] == 0.0
    never = head("loan", rows, [0, 0, 1, 0], [0.05, 0.05, 0.05, 0.05])
    found = added_products(Evaluation((first, never)), k=1)
    assert (found["exposure_gini_1"], found["coverage_1"]) == (1.0, 0.5)


def test_products_that_are_each_right_are_right_together() -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    heads = []
    for name, level in (("card", 0.2), ("loan", 0.02)):
        p = np.clip(level * rng.lognormal(0, 0.5, n), 0, 0.9)
        heads.append(head(name, list(range(n)), (rng.random(n) < p).astype(float).tolist(), p.tolist()))
    across = across_products(Evaluation(tuple(heads)))
    assert across["rows"] == 2 * n
    assert across["observed_to_expected"] == pytest.approx(1.0, abs=0.05)
    assert across["calibration_slope"] == pytest.approx(1.0, abs=0.05)
    assert across["ece"] < 0.01
    tenths = tenths_across(Evaluation(tuple(heads)))
    assert sum(pairs for pairs, _, _ in tenths) == 2 * n
    assert [p for _, p, _ in tenths] == sorted((p for _, p, _ in tenths), reverse=True)
    assert all(happened == pytest.approx(p, abs=0.02) for _, p, happened in tenths)


def test_a_level_that_is_wrong_for_one_product_shows_across_products_though_each_order_is_right() -> None:
    rng = np.random.default_rng(2)
    n = 20_000
    p = np.clip(0.1 * rng.lognormal(0, 0.5, n), 0, 0.9)
    happened = (rng.random(n) < p).astype(float).tolist()
    right, too_high = (
        head(name, list(range(n)), happened, (p * f).tolist()) for name, f in (("a", 1), ("b", 3))
    )
    both = Evaluation((right, too_high))
    assert across_products(both)["calibration_slope"] < 0.7
    ratios = {line.name: line.measures["observed_to_expected"] for line in beside(both)}
    assert ratios["b"] == pytest.approx(ratios["a"] / 3)


def test_what_is_logged_is_finite_and_says_nothing_where_nothing_was_tested() -> None:
    nobody = Evaluation((head("card", [0, 1], [0, 0], [0.1, 0.2], pooled=1.0),))
    logged = product_metrics(nobody)
    assert logged["added"] == {} and "auc" not in logged["across"]
    assert logged["across"]["expected"] == pytest.approx(0.3)
    assert [line.basis for line in beside(nobody)] == ["pooled"]
    assert product_metrics(Evaluation(())) == {"added": {}, "across": {}}
    assert tenths_across(Evaluation(())) == ()
