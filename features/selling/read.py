"""Read the channels and offers of a catalogue file."""

from collections.abc import Mapping

from features.errors import ConfigError
from features.selling.contradictions import satisfiable
from features.selling.entries import Entry, did_you_mean
from features.selling.expressions import SCORES, Expression, Term
from features.selling.offers import KINDS, Offer, PriceTerms, Prior
from features.selling.parsing import parse_expression
from features.vocabulary import CHANNELS, Catalogue, Channel

__all__ = ["read_channel", "read_offer"]

_RULES = ("eligible", "applicable", "suitable")


def read_channel(where: str, name: str, row: object, terms: Mapping[str, Term]) -> Channel:
    """One channel; `where` begins every message.

    Raises
    ------
    ConfigError
        Naming key, cause and cure.
    """
    if name not in CHANNELS:
        raise ConfigError(f"{where} is unknown; cure: {did_you_mean(name, CHANNELS)}")
    entry = Entry.of(where, row, known=("label", "minutes", "strength", "reaches"), needed=("cost",))
    return Channel(
        name=name,
        label=entry.word("label", name),
        cost=entry.number("cost"),
        minutes=entry.number("minutes", 0.0),
        strength=entry.number("strength", 1.0, high=10.0),
        reaches=_expression(entry, "reaches", terms),
    )


def read_offer(where: str, name: str, row: object, sells: Catalogue, terms: Mapping[str, Term]) -> Offer:
    """One offer; `sells` has the products, channels and tiers that it may name.

    Raises
    ------
    ConfigError
        Naming key, cause and cure; also where its rules contradict each other.
    """
    known = ("say", "incentive", "terms", "channels", "prior", *_RULES)
    entry = Entry.of(where, row, known=known, needed=("label", "product", "kind"))
    kind = next(k for k in KINDS if k == entry.word("kind", among=KINDS))
    named = entry.words("channels", sells.channels, sells.channels, "a channel of the catalogue")
    if not named:
        raise ConfigError(f"{where}: channels is empty; cure: name one, or leave the key out for all")
    offer = Offer(
        name=name,
        label=entry.word("label"),
        say=entry.word("say", entry.word("label")),
        product=entry.word("product", among=sells.products),
        kind=kind,
        incentive=entry.number("incentive", 0.0),
        terms=_terms(where, entry.row["terms"], sells) if "terms" in entry.row else None,
        channels=tuple(channel for channel in sells.channels if channel in named),
        prior=_prior(f"{where}: prior", entry.table("prior")),
        **{rule: _expression(entry, rule, terms) for rule in _RULES},
    )
    _consistent(where, offer)
    return offer


def _expression(entry: Entry, key: str, terms: Mapping[str, Term]) -> Expression:
    return parse_expression(entry.word(key, ""), terms, f"{entry.where}: {key}")


def _terms(where: str, row: object, sells: Catalogue) -> PriceTerms:
    entry = Entry.of(f"{where}: terms", row, known=("tiers",), needed=("fee_waiver", "months", "because"))
    share = entry.number("fee_waiver", high=1.0)
    if share == 0.0:
        raise ConfigError(f"{entry.where}: fee_waiver is a share above 0; cure: 1.0 waives the whole fee")
    tiers = entry.words("tiers", (), [tier.name for tier in sells.tiers], "a tier")
    return PriceTerms(share, entry.whole("months", low=1, high=120), tiers, entry.word("because"))


def _prior(where: str, row: object) -> Prior:
    entry = Entry.of(where, row, known=("uptake_odds", "leaving_odds", "accepts", "alone", "source"))
    prior = Prior(
        uptake_odds=entry.number("uptake_odds", 1.0, 0.01, 100.0),
        leaving_odds=entry.number("leaving_odds", 1.0, 0.01, 100.0),
        accepts=entry.number("accepts", 0.0, high=1.0),
        alone=entry.number("alone", 0.0, high=1.0),
        source=entry.word("source", ""),
    )
    if entry.row and not prior.source:
        raise ConfigError(f"{where}: needs source; cure: say where the figures come from")
    return prior


def _consistent(where: str, offer: Offer) -> None:
    """Refuse what cannot hold together."""
    if offer.kind == "general":
        scored = [t.name for e in offer.expressions for t in e.terms if t.name in SCORES]
        if scored:
            raise ConfigError(
                f"{where}: a general offer is made without models, yet names '{scored[0]}'; cure: remove it"
            )
        if offer.terms is not None:
            raise ConfigError(
                f"{where}: a general offer is the same for all, yet has personal terms; cure: another kind"
            )
    if not satisfiable(*offer.expressions):
        rules = " and ".join(f"({e.text})" for e in offer.expressions if e.text)
        raise ConfigError(f"{where}: {rules} contradict each other: true of nobody; cure: correct a bound")
