"""What a past decision rested on, read back."""

import json
from typing import Any

import pandas as pd
import pyarrow as pa

from features.errors import CorruptError, NotReadyError
from features.home import Home
from features.snapshots import generation_named, snapshot_path
from features.vocabulary import CREATED, CUSTOMER_ID
from serving.columns import from_frame
from serving.log.decisions import Decision

__all__ = ["features_of"]


def features_of(home: Home, decision: Decision) -> dict[str, Any]:
    """Every feature of the decision's customer as the decision used it, None where it was missing.

    Raises
    ------
    NotReadyError
        If the generation is not there any more, or holds no such customer.
    CorruptError
        If its file is damaged.
    """
    generation = generation_named(home, decision.feature_generation)
    path = snapshot_path(home, generation, generation.as_of)
    only = [(CUSTOMER_ID, "==", decision.customer_id)]
    try:
        # Nullable integers stay integers: as float64 a cent above 2^53 would be lost.
        row = pd.read_parquet(path, filters=only, dtype_backend="numpy_nullable").drop(columns=CREATED)
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise CorruptError(f"{path}: damaged; cure: bring the file back from a backup") from error
    own: dict[str, Any] = json.loads(decision.features)
    if row.empty and not own:
        raise NotReadyError(
            f"{path}: does not hold {decision.customer_id}, whom decision {decision.decision_id} is "
            "about; cure: bring the generation back from a backup"
        )
    return {name: values[0] for name, values in from_frame(row).items() if values} | own
