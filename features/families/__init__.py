"""The feature families, one file each; what a model or a policy may know about a customer."""

from features.families import (
    activity,
    balances,
    channels,
    contacts,
    holdings,
    household,
    lifecycle,
    manager,
    primacy,
    profile,
    satisfaction,
    seasons,
)
from features.families.base import Family, Field
from features.vocabulary import Catalogue

__all__ = ["all_families", "model_fields"]


def all_families(catalogue: Catalogue) -> tuple[Family, ...]:
    """Every family, in the order of the views; one that derives from another comes after it."""
    return (
        profile.FAMILY,
        holdings.declare(catalogue),
        balances.FAMILY,
        activity.FAMILY,
        seasons.FAMILY,
        channels.FAMILY,
        primacy.FAMILY,
        contacts.declare(catalogue),
        satisfaction.FAMILY,
        household.FAMILY,
        manager.FAMILY,
        lifecycle.FAMILY,
    )


def model_fields(catalogue: Catalogue) -> tuple[Field, ...]:
    """The fields that models are fed, in the order of the views."""
    fields = (f for family in all_families(catalogue) for f in family.fields)
    return tuple(f for f in fields if f.use == "model")
