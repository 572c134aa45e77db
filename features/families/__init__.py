"""The feature families, one file each; what a model or a policy may know about a customer."""

from features.families import activity, balances, channels, holdings, interactions, profile
from features.families.base import Family, Field
from features.vocabulary import Catalogue

__all__ = ["all_families", "model_fields"]


def all_families(catalogue: Catalogue) -> tuple[Family, ...]:
    """Every family, in the order of the views."""
    return (
        profile.FAMILY,
        holdings.declare(tuple(catalogue.products)),
        balances.FAMILY,
        activity.FAMILY,
        channels.FAMILY,
        interactions.FAMILY,
    )


def model_fields(catalogue: Catalogue) -> tuple[Field, ...]:
    """The fields that models are fed, in the order of the views."""
    fields = (f for family in all_families(catalogue) for f in family.fields)
    return tuple(f for f in fields if f.use == "model")
