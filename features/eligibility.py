"""Who may have a product at all: shared by the uptake label, the scores and the policy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from features.vocabulary import Product

__all__ = ["eligible"]


def eligible(columns: Mapping[str, npt.NDArray[Any]], product: Product) -> npt.NDArray[np.bool_]:
    """Whether each customer may newly take a product.

    Parameters
    ----------
    columns
        Arrays of shape (n,): `holds_<product>` counts, `kind`, and `age_years` as float64 with
        NaN where the age is unknown.
    product
        Its `requires` (any one of them), and its ages, which bind natural persons only.

    Returns
    -------
    array
        Boolean, shape (n,). An unknown age is not eligible where the product bounds it.
    """
    allowed = columns[f"holds_{product.name}"] == 0
    if product.requires:
        allowed &= np.any([columns[f"holds_{name}"] > 0 for name in product.requires], axis=0)
    if product.min_age > 0 or product.max_age < 200:
        age = columns["age_years"].astype(np.float64)
        in_range = (age >= product.min_age) & (age <= product.max_age)
        allowed &= in_range | (columns["kind"] == "business")
    return np.asarray(allowed, dtype=np.bool_)
