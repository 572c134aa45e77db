import numpy as np

from serving.columns import from_frame
from serving.explain import explain, in_words


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
