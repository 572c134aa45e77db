from pathlib import Path

from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.fit import Fitted
from training.pages.plots import draw
from training.specs import CHURN, VALUE
from training.split import out_of_time


def test_every_head_gets_its_page_with_the_same_bytes_each_time(
    tmp_path: Path, churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    evaluation = evaluate(churn_fitted.model, churn_set, out_of_time(churn_set.frame, CHURN))
    (page,) = draw(evaluation, churn_fitted.model, tmp_path)
    first = page.read_bytes()
    assert first.startswith(b"\x89PNG")
    assert len(first) > 20_000
    draw(evaluation, churn_fitted.model, tmp_path)
    assert page.read_bytes() == first


def test_parts_without_spread_are_drawn_too(
    tmp_path: Path, value_fitted: Fitted, value_set: TrainingSet
) -> None:
    evaluation = evaluate(value_fitted.model, value_set, out_of_time(value_set.frame, VALUE))
    pages = draw(evaluation, value_fitted.model, tmp_path)
    assert [p.name for p in pages] == [
        "interest_margin.png", "fees.png", "cost_to_serve.png", "expected_loss.png", "value.png",
    ]  # fmt: skip
