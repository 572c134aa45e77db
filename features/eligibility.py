"""Who may have a product at all: shared by the uptake label, the scores and the policy."""

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from features.selling.expressions import Facts, Mask
from features.vocabulary import Product

__all__ = ["barriers", "eligible"]


def barriers(facts: Facts, product: Product) -> Iterator[tuple[str, Mask]]:
    """What keeps each customer from newly taking a product: name of the rule, and bool (n,).

    `already_held`; `requirement_missing`, where none of the products that it requires is held;
    `outside_age`, which binds natural persons only, and where an unknown age is outside.
    """
    yield "already_held", ~(facts.numbers(f"holds_{product.name}") == 0)
    if product.requires:
        held = reduce(or_, (facts.numbers(f"holds_{name}") > 0 for name in product.requires))
        yield "requirement_missing", ~held
    if product.min_age > 0 or product.max_age < 200:
        age = facts.numbers("age_years")
        in_range = (age >= product.min_age) & (age <= product.max_age)
        yield "outside_age", ~(in_range | facts.is_word("kind", ("business",))[0])


def eligible(columns: Mapping[str, Any], product: Product) -> Mask:
    """Whether each customer may newly take a product.

    Parameters
    ----------
    columns
        One sequence or array of length n a column: `holds_<product>` counts, `kind`, and `age_years`
        with None or NaN where the age is unknown.
    product
        Its `requires` (any one of them), and its ages.

    Returns
    -------
    array
        Boolean, shape (n,): no barrier stands.
    """
    stopped = reduce(or_, (hit for _, hit in barriers(Facts(columns), product)))
    return np.asarray(~stopped, dtype=np.bool_)
