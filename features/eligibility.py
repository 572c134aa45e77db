"""Who may have a product at all: shared by the uptake label, the scores and the policy."""

from collections.abc import Iterator, Mapping
from typing import Any

from features.selling.expressions import Comparison, Expression, Facts, Joined, Mask, Term, every, some
from features.vocabulary import Product

__all__ = ["eligibility", "eligible", "needs"]

_BUSINESS = Comparison(Term("kind", text=True), "==", "business")


def needs(product: Product) -> Iterator[tuple[str, Expression]]:
    """What has to be true of who may newly take a product, by the name of the barrier that else stands.

    `already_held`; `requirement_missing`, where none of the products that it requires is held;
    `outside_age`, which binds natural persons only, and where an unknown age is outside.
    """
    yield "already_held", every(holds(product.name, "=="))
    if product.requires:
        yield "requirement_missing", some(*(holds(name, ">") for name in product.requires))
    if product.min_age > 0 or product.max_age < 200:
        age = Term("age_years")
        ends = (
            Comparison(age, ">=", float(product.min_age)),
            Comparison(age, "<=", float(product.max_age)),
        )
        yield "outside_age", some(Joined(True, ends), _BUSINESS)


def holds(product: str, comparison: str) -> Comparison:
    """How many of a product a customer holds, compared with none."""
    return Comparison(Term(f"holds_{product}"), comparison, 0.0)


def eligibility(product: Product) -> Expression:
    """The condition that no barrier stands."""
    return every(*(need.root for _, need in needs(product) if need.root))


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
    return eligibility(product).holds(Facts(columns))
