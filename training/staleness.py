"""How old a model's knowledge is."""

from datetime import datetime, timedelta

from training.artifact import Model
from training.specs import ModelSpec

__all__ = ["age_days"]


def age_days(spec: ModelSpec, model: Model, as_of: datetime | None) -> int | None:
    """Days from when the newest outcomes that a model was tested on were known until as_of.

    The outcome window itself does not count: it is as long for a model trained today. None where
    there is no as_of.
    """
    if as_of is None:
        return None
    window = timedelta(days=model.gap_days + model.horizon_days + spec.delay_days)
    known = datetime.fromisoformat(model.training["test_snapshots"][-1]) + window
    return max(0, (as_of - known).days)
