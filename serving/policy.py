"""Row-wise rules: who may be offered a product now, and which rule removed the others."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from features.eligibility import eligible
from features.errors import ConfigError
from features.home import Home
from features.vocabulary import Catalogue, Product
from serving.columns import Columns, length, numbers, words

__all__ = [
    "RULES",
    "Mask",
    "Policy",
    "load_policy",
    "may_have",
    "policy_of",
    "reachable",
    "removals",
    "shipped_policy",
]

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Policy:
    """Limits of the rules; `reserve` in major units, `control_share` in (0, 1).

    `version` is the first twelve digits of the file's SHA-256, so that lists can name it.
    """

    version: str
    reserve: float
    max_contacts_30d: float
    max_contacts_90d: float
    max_refusals_180d: float
    max_open_complaints: float
    control_share: float


_SECTIONS = {
    "suitability": ("reserve",),
    "contact": ("max_contacts_30d", "max_contacts_90d", "max_refusals_180d", "max_open_complaints"),
    "arms": ("control_share",),
}


def shipped_policy() -> Policy:
    """The policy that comes with this release."""
    return load_policy(Path(str(files("serving").joinpath("policy.toml"))))


def load_policy(path: Path) -> Policy:
    """Read and check one policy file.

    Raises
    ------
    ConfigError
        Naming file, key, cause and cure.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no policy here; cure: name a policy file that exists")
    raw = path.read_bytes()
    try:
        data = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    if unknown := sorted(set(data) - set(_SECTIONS)):
        raise ConfigError(f"{path}: unknown section '{unknown[0]}'; known: {', '.join(_SECTIONS)}")
    limits: dict[str, float] = {}
    for section, keys in _SECTIONS.items():
        limits |= _limits(f"{path}: [{section}]", data.get(section, {}), keys)
    if not 0.0 < limits["control_share"] < 1.0:
        raise ConfigError(f"{path}: [arms] control_share must lie between 0 and 1; cure: 0.10 is common")
    return Policy(version=hashlib.sha256(raw).hexdigest()[:12], **limits)


def policy_of(home: Home) -> Policy:
    """The bank's own `policy.toml` where its home has one, else the shipped one."""
    return load_policy(home.policy) if home.policy.is_file() else shipped_policy()


def reachable(columns: Columns, catalogue: Catalogue) -> Mask:
    """Whether each customer prefers, or used in the last 180 days, a channel that the bank contacts by."""
    found = np.isin(np.array(words(columns, "preferred_channel"), dtype=str), list(catalogue.channels))
    for name in catalogue.channels:
        found |= numbers(columns, f"used_{name}_180d") > 0
    return np.asarray(found, dtype=bool)


def may_have(columns: Columns, product: Product) -> Mask:
    """Whether each customer is eligible for the product; the models score nobody else for it."""
    return ~_may_not_have(columns, product)


def removals(columns: Columns, product: Product, catalogue: Catalogue, policy: Policy) -> list[str]:
    """The rule that removes each customer from an offer of the product, "" for those who stay.

    Rules run in the order of `RULES`; the first that applies wins. Pure: reads columns only.

    Raises
    ------
    InputError
        If a column that a rule needs is missing.
    """
    removed = np.full(length(columns), "", dtype=object)
    for name, rule in RULES.items():
        hit = rule(columns, _Offer(product, catalogue, policy)) & (removed == "")
        removed[hit] = name
    return [str(name) for name in removed]


@dataclass(frozen=True)
class _Offer:
    product: Product
    catalogue: Catalogue
    policy: Policy


def _limits(where: str, section: Any, keys: tuple[str, ...]) -> dict[str, float]:
    if not isinstance(section, dict) or set(section) != set(keys):
        raise ConfigError(f"{where}: needs exactly the keys {', '.join(keys)}")
    for key, value in section.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise ConfigError(f"{where}: {key} must be a number of at least 0")
    return {key: float(section[key]) for key in keys}


def _may_not_have(columns: Columns, product: Product) -> Mask:
    """Not eligible; the one rule of `features.eligibility`, with bounds lifted to name its parts."""
    names = (f"holds_{name}" for name in (product.name, *product.requires))
    arrays: dict[str, Any] = {name: numbers(columns, name) for name in names}
    arrays["age_years"] = numbers(columns, "age_years")
    arrays["kind"] = np.array(words(columns, "kind"), dtype=str)
    return ~eligible(arrays, product)


def _ageless(product: Product) -> Product:
    return replace(product, min_age=0, max_age=200)


def _over(columns: Columns, name: str, limit: float) -> Mask:
    """Above the limit; a missing count is none."""
    return np.asarray(np.nan_to_num(numbers(columns, name)) > limit, dtype=bool)


def _without(columns: Columns, consent: str) -> Mask:
    """Not granted, where unknown is not granted either."""
    return np.asarray(numbers(columns, consent) != 1, dtype=bool)


def _overdrawn(columns: Columns, offer: _Offer) -> Mask:
    """The lowest balance of 90 days below zero; without any balance there is nothing to judge by."""
    if offer.product.suitable != "not_overdrawn":
        return np.zeros(length(columns), dtype=bool)
    return np.asarray(~(numbers(columns, "balance_min_3m") >= 0), dtype=bool)


def _no_reserve(columns: Columns, offer: _Offer) -> Mask:
    if offer.product.suitable != "has_reserve":
        return np.zeros(length(columns), dtype=bool)
    return np.asarray(~(numbers(columns, "balance_total") >= 100 * offer.policy.reserve), dtype=bool)


RULES: Mapping[str, Callable[[Columns, _Offer], Mask]] = {
    # consent
    "no_profiling_consent": lambda c, _: _without(c, "consent_profiling"),
    "no_marketing_consent": lambda c, _: _without(c, "consent_marketing"),
    # eligibility
    "already_held": lambda c, o: _may_not_have(c, replace(_ageless(o.product), requires=())),
    "requirement_missing": lambda c, o: _may_not_have(c, _ageless(o.product)),
    "outside_age": lambda c, o: _may_not_have(c, o.product),
    # applicability
    "no_channel": lambda c, o: ~reachable(c, o.catalogue),
    # suitability
    "overdrawn": _overdrawn,
    "no_reserve": _no_reserve,
    # contact policy
    "open_complaint": lambda c, o: _over(c, "complaints_open", o.policy.max_open_complaints),
    "refused_recently": lambda c, o: _over(c, "refusals_180d", o.policy.max_refusals_180d),
    "contacted_30d": lambda c, o: _over(c, "contacts_30d", o.policy.max_contacts_30d),
    "contacted_90d": lambda c, o: _over(c, "contacts_90d", o.policy.max_contacts_90d),
}
"""Every rule by name, in the order in which they run; True removes the customer."""
