"""Row-wise rules: which options each customer may be offered now, and which rule removed the others."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.eligibility import barriers, eligible
from features.selling.expressions import Facts, Mask
from features.selling.offers import Offer
from features.selling.segments import tier_codes
from features.vocabulary import Catalogue, Product
from serving.policy.nouns import Policy

__all__ = ["Codes", "Removed", "allowed", "columns_needed", "may_have", "rules_of"]

Codes = npt.NDArray[np.uint8]

_BY_OFFER = (
    # consent
    "no_profiling_consent",
    "profiled",
    "no_marketing_consent",
    # eligibility
    "already_held",
    "not_held",
    "requirement_missing",
    "outside_age",
    "not_eligible",
    # applicability
    "not_applicable",
    "outside_tier",
    # suitability
    "unsuitable",
    # contact policy of the product
    "product_refused_recently",
)
_BY_CHANNEL = (
    # channel
    "unreachable",
    # contact policy
    "open_complaint",
    "refused_recently",
)


@dataclass(frozen=True)
class Removed:
    """Which options are removed for whom, and by which rule.

    codes
        Shape (n, options), in the order of `Catalogue.options`: 0 where allowed, else the place in
        `rules` of the first rule that removed it.
    rules
        Names by code; the first is empty.
    """

    codes: Codes
    rules: tuple[str, ...]

    @property
    def allowed(self) -> Mask:
        """Bool, shape (n, options)."""
        return np.asarray(self.codes == 0, dtype=np.bool_)

    def of(self, options: Sequence[int]) -> list[str]:
        """For each customer the rule that removed all of some options, "" where one is left.

        Where the options fell to different rules, it is the last in the order of the rules: the one
        that the customer came nearest to passing.
        """
        codes = self.codes[:, list(options)]
        last = np.where((codes == 0).any(axis=1), 0, codes.max(axis=1, initial=0))
        return [self.rules[code] for code in last.tolist()]

    def counts(self, option: int) -> dict[str, int]:
        """How many customers each rule removed from one option, in the order of the rules."""
        found = Counter(self.codes[:, option].tolist())
        return {rule: found[code] for code, rule in enumerate(self.rules) if code and found[code]}


def rules_of(policy: Policy) -> tuple[str, ...]:
    """Every rule by name, in the order in which they run; the first place is that of no rule."""
    return ("", *_BY_OFFER, *_BY_CHANNEL, *(window.rule for window in policy.contact.windows))


def allowed(columns: Mapping[str, Any], catalogue: Catalogue, policy: Policy) -> Removed:
    """Which options each customer may be offered; pure, the same for one customer and for all.

    Rules run in the order of `rules_of`; the first that applies is named. What is not known speaks
    against an offer, but a missing count of contacts, refusals or complaints is none. Without consent
    to profiling only general offers are left, whose rules no score enters; with it only the others.

    Parameters
    ----------
    columns
        One sequence or array of length n a column, missing values None or NaN: those of
        `columns_needed`, scores (`churn`, `value_expected`) included.

    Raises
    ------
    InputError
        If a column that a rule needs is missing.
    """
    facts, rules = Facts(columns), rules_of(policy)
    shared = _Shared(facts, policy)
    code = {name: np.uint8(place) for place, name in enumerate(rules)}
    offers = {
        name: _first(
            facts.rows, ((code[rule], hit) for rule, hit in _by_offer(facts, offer, catalogue, shared))
        )
        for name, offer in catalogue.offers.items()
    }
    reached = {
        name: _first(
            facts.rows, ((code[rule], hit) for rule, hit in _by_channel(facts, name, catalogue, shared))
        )
        for name in catalogue.channels
    }
    by_offer, by_channel = (np.stack(list(found.values()), axis=1) for found in (offers, reached))
    offer_of, channel_of = catalogue.stated.offer, catalogue.stated.channel
    first = by_offer[:, offer_of]
    return Removed(np.where(first == 0, by_channel[:, channel_of], first), rules)


def columns_needed(catalogue: Catalogue, policy: Policy) -> tuple[str, ...]:
    """Every column that the rules read, each once."""
    reaches = (channel.reaches for channel in catalogue.channels.values())
    expressions = (*reaches, *(e for offer in catalogue.offers.values() for e in offer.expressions))
    tiered = any(offer.terms and offer.terms.tiers for offer in catalogue.offers.values())
    products = [catalogue.products[offer.product] for offer in catalogue.offers.values()]
    held = (f"holds_{name}" for p in products for name in (p.name, *p.requires))
    contact = policy.contact
    names = (
        *("consent_profiling", "consent_marketing", "kind", "age_years", *held),
        *(term.name for expression in expressions for term in expression.terms),
        *(("value_expected",) if tiered else ()),
        *(f"days_since_refusal_{product}" for product in contact.cool_downs),
        *("complaints_open", f"refusals_{contact.cool_down_days}d", *(w.column for w in contact.windows)),
    )
    return tuple(dict.fromkeys(names))


def may_have(columns: Mapping[str, Any], product: Product) -> Mask:
    """Whether each customer is eligible for the product; the models score nobody else for it."""
    return eligible(columns, product)


def _first(rows: int, rules: Iterator[tuple[np.uint8, Mask]]) -> Codes:
    """The code of the first rule that hits each customer, 0 where none does."""
    if rows == 1:  # as the general way answers, without the rules behind the first that hits
        return np.array([next((code for code, hit in rules if hit[0]), 0)], dtype=np.uint8)
    codes = np.zeros(rows, dtype=np.uint8)
    for code, hit in reversed(list(rules)):
        np.copyto(codes, code, where=hit)
    return codes


class _Shared:
    """What several offers or channels ask of a customer, found once."""

    def __init__(self, facts: Facts, policy: Policy) -> None:
        contact = policy.contact
        self.unprofiled = _without(facts, "consent_profiling")
        self.unwilling = _without(facts, "consent_marketing")
        self.complains = _over(facts, "complaints_open", contact.max_open_complaints)
        self.refused = _over(facts, f"refusals_{contact.cool_down_days}d", 0)
        # One more contact may not pass the limit.
        self.cool_downs = contact.cool_downs
        self.windows = [(w.channel, w.rule, _over(facts, w.column, w.most - 1)) for w in contact.windows]


def _by_offer(
    facts: Facts, offer: Offer, catalogue: Catalogue, shared: _Shared
) -> Iterator[tuple[str, Mask]]:
    product = catalogue.products[offer.product]
    if offer.kind == "general":
        yield "profiled", ~shared.unprofiled
    else:
        yield "no_profiling_consent", shared.unprofiled
    yield "no_marketing_consent", shared.unwilling
    if offer.kind == "retention":
        yield "not_held", ~(facts.numbers(f"holds_{product.name}") > 0)
    else:
        yield from barriers(facts, product)
    if offer.eligible.text:
        yield "not_eligible", ~offer.eligible.holds(facts)
    if offer.applicable.text:
        yield "not_applicable", ~offer.applicable.holds(facts)
    if offer.terms and offer.terms.tiers:
        among = [place for place, tier in enumerate(catalogue.tiers) if tier.name in offer.terms.tiers]
        yield "outside_tier", ~np.isin(tier_codes(facts.numbers("value_expected"), catalogue), among)
    if offer.suitable.text:
        yield "unsuitable", ~offer.suitable.holds(facts)
    if days := shared.cool_downs.get(product.name):
        yield "product_refused_recently", _under(facts, f"days_since_refusal_{product.name}", days)


def _by_channel(
    facts: Facts, channel: str, catalogue: Catalogue, shared: _Shared
) -> Iterator[tuple[str, Mask]]:
    yield "unreachable", ~catalogue.channels[channel].reaches.holds(facts)
    yield "open_complaint", shared.complains
    yield "refused_recently", shared.refused
    for by, rule, over in shared.windows:
        if by in ("", channel):
            yield rule, over


def _over(facts: Facts, name: str, limit: int) -> Mask:
    """Above the limit; a missing count is none."""
    return np.asarray(facts.numbers(name) > limit, dtype=np.bool_)


def _under(facts: Facts, name: str, limit: int) -> Mask:
    """Fewer days ago than the limit; what never happened is not."""
    return np.asarray(facts.numbers(name) < limit, dtype=np.bool_)


def _without(facts: Facts, consent: str) -> Mask:
    """Not granted, where unknown is not granted either."""
    return np.asarray(facts.numbers(consent) != 1, dtype=np.bool_)
