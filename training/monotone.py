"""Where the bank knows which way a feature must move an answer, whatever a sample says."""

from collections.abc import Mapping, Sequence

from features.errors import InputError
from training.contract import Feature

__all__ = ["KNOWN_SIGNS", "constraints"]

KNOWN_SIGNS: Mapping[str, Mapping[str, int]] = {
    "churn": {
        "complaints_180d": 1,
        "complaints_open": 1,
        "leaving_signs": 1,
        "primacy_ending": 1,
    },
}
"""Model -> feature -> 1 where more of it must never lower the answer, -1 where it must never raise it.

Short on purpose: a sign stands here only if a banker would call the opposite an error. Recency is
not among them, since a quiet account loses nothing by balance attrition and much by dormancy.
"""


def constraints(features: Sequence[Feature], signs: Mapping[str, int]) -> dict[str, object]:
    """LightGBM's parameters for known signs; none where no feature of the model has one.

    Features that the model does not have are passed over: a bank without complaints has no column
    of them. The promise holds between known values; a missing value may answer as it likes.

    Raises
    ------
    InputError
        If a feature of words is given a sign: words have no order.

    >>> age = Feature("age", "float64", None, 40.0, "Age", "years", True)
    >>> constraints([age], {"age": -1})
    {'monotone_constraints': [-1], 'monotone_constraints_method': 'basic'}
    """
    worded = [f.name for f in features if f.levels is not None and f.name in signs]
    if worded:
        raise InputError(f"{worded[:5]}: words have no order to rise or fall in; cure: leave out the sign")
    wanted = [signs.get(f.name, 0) for f in features]
    if not any(wanted):
        return {}
    return {"monotone_constraints": wanted, "monotone_constraints_method": "basic"}
