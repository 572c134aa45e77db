"""Who may have a product at all: shared by the uptake label, the scores and the policy."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from features.selling.expressions import Facts, Mask
from features.vocabulary import Product

__all__ = ["Eligible", "barriers", "eligible"]


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


class Eligible:
    """`eligible` for several products at once; what does not depend on the customer is prepared."""

    def __init__(self, products: Sequence[Product]) -> None:
        names = dict.fromkeys(name for p in products for name in (p.name, *p.requires))
        self._holds = [f"holds_{name}" for name in names]
        place = {name: i for i, name in enumerate(names)}
        self._own = np.array([place[p.name] for p in products], dtype=np.intp)
        self._enough = np.zeros((len(names), len(products)))
        for nth, product in enumerate(products):
            self._enough[[place[name] for name in product.requires], nth] = 1.0
        self._free = np.array([not p.requires for p in products], dtype=np.bool_)
        self._low = np.array([p.min_age for p in products], dtype=np.float64)
        self._high = np.array([p.max_age for p in products], dtype=np.float64)
        self._ageless = np.array([p.min_age <= 0 and p.max_age >= 200 for p in products], dtype=np.bool_)

    def among(self, facts: Facts) -> Mask:
        """Whether each customer may newly take each product; bool, shape (n, products)."""
        held = np.array([facts.numbers(name) for name in self._holds]).reshape(len(self._holds), facts.rows)
        new = held.T[:, self._own] == 0
        met = self._free | (((held > 0).T.astype(np.float64) @ self._enough) > 0.0)
        if self._ageless.all():
            return np.asarray(new & met)
        age = facts.numbers("age_years")[:, None]
        fits = self._ageless | ((age >= self._low) & (age <= self._high))
        return np.asarray(new & met & (fits | facts.is_word("kind", ("business",))[0][:, None]))
