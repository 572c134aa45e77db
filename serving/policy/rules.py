"""Row-wise rules: which options each customer may be offered now, and which rule removed the others."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from features.eligibility import holds, needs
from features.native import INTS, MASK, Array, compiled
from features.selling.expressions import Comparison, Expression, Facts, Mask, Term, every
from features.selling.offers import Offer
from features.selling.programs import Programs
from features.selling.segments import in_tiers
from features.vocabulary import Catalogue
from serving.policy.nouns import Policy

__all__ = [
    "Codes",
    "Removed",
    "Rules",
    "allowed",
    "columns_needed",
    "compiled_rules",
    "rules_of",
]

Codes = npt.NDArray[np.uint8]

_KEPT = 8
"""Pairs of catalogue and policy whose rules stay compiled."""

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
    rules = compiled_rules(catalogue, policy)
    return rules.removed(rules.program.matrix(columns, Facts(columns).rows))


def columns_needed(catalogue: Catalogue, policy: Policy) -> tuple[str, ...]:
    """Every column that the rules read, each once."""
    return compiled_rules(catalogue, policy).program.columns


class _Rule(NamedTuple):
    """A rule of one offer or channel: it removes whom its condition is true of, or is not true of."""

    name: str
    condition: Expression
    removes: bool


class Rules:
    """The rules of a catalogue and a policy, compiled; `program` says which columns they read."""

    def __init__(self, catalogue: Catalogue, policy: Policy) -> None:
        self._names = rules_of(policy)
        offers = [list(_by_offer(offer, catalogue, policy)) for offer in catalogue.offers.values()]
        channels = [list(_by_channel(name, catalogue, policy)) for name in catalogue.channels]
        rules = [rule for group in (*offers, *channels) for rule in group]
        conditions = tuple(dict.fromkeys(rule.condition for rule in rules))
        place = {condition: at for at, condition in enumerate(conditions)}
        self.program = Programs(conditions)
        self._rules = np.array(
            [(self._names.index(r.name), place[r.condition], r.removes) for r in rules], dtype=np.int64
        ).reshape(-1, 3)
        self._ends = np.cumsum([0, *(len(group) for group in (*offers, *channels))], dtype=np.int64)
        self._offer = catalogue.stated.offer.astype(np.int64)
        self._channel = catalogue.stated.channel.astype(np.int64) + len(offers)

    def removed(self, matrix: npt.NDArray[np.float64]) -> Removed:
        """Whom they remove from which option; `matrix` is that of the program."""
        codes = np.empty((len(matrix), len(self._offer)), dtype=np.uint8)
        held = self.program.hold(matrix)
        _first(held, self._rules, self._ends, self._offer, self._channel, codes)
        return Removed(codes, self._names)


_compiled: OrderedDict[tuple[int, int], tuple[Catalogue, Policy, Rules]] = OrderedDict()


def compiled_rules(catalogue: Catalogue, policy: Policy) -> Rules:
    """The rules, compiled once for as long as the same two objects are asked for."""
    key = id(catalogue), id(policy)
    if key not in _compiled:
        _compiled[key] = catalogue, policy, Rules(catalogue, policy)
        while len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    return _compiled[key][2]


@compiled(numba.void(MASK, numba.int64[:, ::1], INTS, INTS, INTS, numba.uint8[:, ::1]))
def _first(held: Array, rules: Array, ends: Array, offer: Array, channel: Array, codes: Array) -> None:
    """The first rule of each option's offer, or else channel, that removes each customer; 0 for none."""
    groups = np.empty(len(ends) - 1, np.uint8)
    for row in range(len(held)):
        for group in range(len(groups)):
            groups[group] = 0
            for at in range(ends[group], ends[group + 1]):
                if held[row, rules[at, 1]] == (rules[at, 2] == 1):
                    groups[group] = rules[at, 0]
                    break
        for option in range(len(offer)):
            by_offer = groups[offer[option]]
            codes[row, option] = by_offer if by_offer != 0 else groups[channel[option]]


def _by_offer(offer: Offer, catalogue: Catalogue, policy: Policy) -> Iterator[_Rule]:
    product, profiled = catalogue.products[offer.product], _is("consent_profiling", "==", 1)
    if offer.kind == "general":
        yield _Rule("profiled", profiled, removes=True)
    else:
        yield _Rule("no_profiling_consent", profiled, removes=False)
    yield _Rule("no_marketing_consent", _is("consent_marketing", "==", 1), removes=False)
    if offer.kind == "retention":
        yield _Rule("not_held", every(holds(product.name, ">")), removes=False)
    else:
        for name, needed in needs(product):
            yield _Rule(name, needed, removes=False)
    if offer.eligible.text:
        yield _Rule("not_eligible", offer.eligible, removes=False)
    if offer.applicable.text:
        yield _Rule("not_applicable", offer.applicable, removes=False)
    if offer.terms and offer.terms.tiers:
        yield _Rule("outside_tier", in_tiers(offer.terms.tiers, catalogue), removes=False)
    if offer.suitable.text:
        yield _Rule("unsuitable", offer.suitable, removes=False)
    if days := policy.contact.cool_downs.get(product.name):
        # What never happened is not known to be recent.
        yield _Rule("product_refused_recently", _is(f"days_since_refusal_{product.name}", "<", days), True)


def _by_channel(channel: str, catalogue: Catalogue, policy: Policy) -> Iterator[_Rule]:
    contact = policy.contact
    yield _Rule("unreachable", catalogue.channels[channel].reaches, removes=False)
    yield _Rule("open_complaint", _is("complaints_open", ">", contact.max_open_complaints), removes=True)
    yield _Rule("refused_recently", _is(f"refusals_{contact.cool_down_days}d", ">", 0), removes=True)
    for window in contact.windows:
        if window.channel in ("", channel):
            # One more contact may not pass the limit.
            yield _Rule(window.rule, _is(window.column, ">", window.most - 1), removes=True)


def _is(name: str, comparison: str, limit: float) -> Expression:
    return every(Comparison(Term(name), comparison, float(limit)))
