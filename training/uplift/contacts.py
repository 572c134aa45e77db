"""The examples of the models of contacts: who was contacted, what followed, and what it costs later."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pandas as pd

from features.errors import RefusedError
from features.history.read import connect
from features.home import Home
from features.settings import Settings
from features.snapshots import current_generation
from training.datasets import TrainingSet
from training.specs import RESPONSE, ModelSpec
from training.uplift.campaign_log import campaign_contacts
from training.uplift.decision_log import decided_contacts, without_decided
from training.uplift.fatigue import Fatigue, Stakes, contact_rows, price_fatigue
from training.uplift.prepared import in_order
from training.uplift.responses import OUTCOME, PRODUCT, TREATED, response_set
from training.uplift.stakes import stakes_of

__all__ = ["asked_share", "contact_examples"]

Tell = Callable[[str], None]

_CONTROLS = 8
"""Customers without the contact for each contacted one: who would take what anyway is told by them alone,
and with three of them half as well for what few take, such as loans; beyond these time grows faster."""

_COMPLAINT_DAYS = 7
_FEWEST = 100
"""Contacts of a channel below which its share of acceptances is that of all channels."""


def contact_examples(home: Home, spec: ModelSpec, settings: Settings, tell: Tell) -> TrainingSet:
    """Contacts that the bank left to chance, in campaigns or by the random arm, with features and outcomes.

    Of RESPONSE the examples say what one more contact costs later (`contacts["fatigue"]`, by channel,
    in major units; `contacts["tiring"]`, log-odds of the outcome that it takes from later contacts) and
    what that rests on; of RETENTION how many accept (`contacts["accepts"]`).

    Raises
    ------
    RefusedError
        If history holds no such contact, or no outcome is mature.
    """
    contacts = _contacts(home, spec, settings, tell)
    examples = response_set(home, spec, contacts, settings, tell)
    met = _met(home, settings)
    if spec.name != RESPONSE.name:
        return replace(examples, contacts={"accepts": _accepts(met, contacts)})
    tell(f"{spec.name}: what one more contact costs later")
    try:
        stakes = stakes_of(home, settings, in_order(examples.frame), met)
        told = price_fatigue(met, stakes)
    except RefusedError as error:
        tell(f"{spec.name}: the price of fatigue stays as stated: {error}")
        return examples
    return replace(examples, contacts=_told(told, stakes, asked_share(met, examples.frame)))


def _contacts(home: Home, spec: ModelSpec, settings: Settings, tell: Tell) -> pd.DataFrame:
    """Contacts drawn by campaigns and by our own random arm; either alone will do."""
    decided = decided_contacts(home, spec)
    try:
        campaigns = campaign_contacts(home, spec, settings, tell, controls=_CONTROLS)
    except RefusedError:
        if decided.empty:
            raise
        return decided
    campaigns = without_decided(home, campaigns)
    return pd.concat([campaigns, decided], ignore_index=True) if len(decided) else campaigns


def _met(home: Home, settings: Settings) -> pd.DataFrame:
    """Every campaign contact with what came before and after it, as known today."""
    generation = current_generation(home)
    table = connect(home, settings.threads, settings.memory).table("interactions")
    table = table.filter(table.known_until.isnull(), table.kind.isin(["campaign", "complaint"]))
    names = ("customer_id", "at", "kind", "direction", "channel", "product", "response")
    frame = table.select(*names).to_pandas()
    last = generation.as_of - timedelta(days=_COMPLAINT_DAYS)
    return contact_rows(frame[(frame["at"] < last) | (frame["kind"] == "complaint")])


def asked_share(met: pd.DataFrame, examples: pd.DataFrame) -> float:
    """Share of what the contacted take up within the window that they take up in answer, at most 1.

    Tired customers answer less; what they would have taken up unasked they still do.

    Parameters
    ----------
    met
        Contacts with product and accepted (0.0 or 1.0), from `training.uplift.fatigue.contact_rows`.
    examples
        Rows of RESPONSE.
    """
    answered = float(met.loc[met["product"].isin(examples[PRODUCT].unique()), "accepted"].mean())
    followed = float(examples.loc[examples[TREATED] == 1, OUTCOME].mean())
    return min(1.0, answered / followed) if followed > 0 else 1.0


def _told(told: Fatigue, stakes: Stakes, asked: float) -> dict[str, dict[str, float]]:
    # A contact that makes later ones welcome is chance, not income.
    prices = {channel: max(0.0, float(price.point)) for channel, price in sorted(told.prices.items())}
    tiring = {"weaker": max(0.0, told.weaker.point) * asked}
    return {"fatigue": prices, "tiring": tiring, "stakes": vars(stakes)}


def _accepts(met: pd.DataFrame, contacts: pd.DataFrame) -> dict[str, float]:
    offered = met[met["product"].isin(contacts["offer_product"].unique())]
    if not len(offered):
        return {}
    everywhere = float(offered["accepted"].mean())
    found = {str(c): rows["accepted"] for c, rows in offered.groupby("channel")}
    return {c: float(hits.mean()) if len(hits) >= _FEWEST else everywhere for c, hits in found.items()}
