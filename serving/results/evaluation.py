"""What other ways to decide would have earned on the customers of a campaign, from its log alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.database.address import Where
from features.errors import RefusedError
from serving.results.followed import Followed, followed
from training.estimate import Estimate, by_influence
from training.split import bucket
from training.uplift.off_policy import LoggedActions, OffPolicy, doubly_robust, ips, logged_actions, snips

__all__ = ["Alternative", "PolicyReport", "evaluate", "simple_ways"]

NOBODY = "nobody"


@dataclass(frozen=True)
class Alternative:
    """One way to decide; money in major units a decision.

    contacts
        Share of the decisions that would be a contact.
    estimates
        By IPS, SNIPS and DR, with how far the log overlaps with it; empty where it does not.
    words
        What speaks against the estimates.
    """

    name: str
    contacts: float
    estimates: tuple[OffPolicy, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class PolicyReport:
    """What was decided, and what else could have been.

    logged
        Mean profit of a decision as the campaign made them, with its 95% interval.
    waiting
        Decisions whose windows are still open, by which more may come. They are not among `decisions`,
        unless there are no others.
    """

    campaign: str
    currency: str
    decisions: int
    logged: Estimate
    contacts: float
    alternatives: tuple[Alternative, ...]
    waiting: int = 0

    @property
    def cautions(self) -> tuple[str, ...]:
        """What speaks against all of it, in words."""
        if not self.waiting:
            return ()
        counted = (
            "none is whole, so they count all the same" if self.waiting == self.decisions else "left out"
        )
        return (f"the windows of {self.waiting:,} decisions go on after the last outcome: {counted}",)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        found["logged"] = self.logged._asdict()
        for record, alternative in zip(found["alternatives"], self.alternatives, strict=True):
            record["estimates"] = [_record(e) for e in alternative.estimates]
        return found


def simple_ways(rows: Followed) -> dict[str, NDArray[Any]]:
    """What can be told from the log alone: the action of each decision under each way, (n,) names.

    Of a list also to contact everybody on it, or its half of highest expected value.
    """
    ways: dict[str, NDArray[Any]] = {NOBODY: np.full(len(rows), "", dtype=object)}
    if rows["kind"].eq("list").all():
        option = rows["option"].to_numpy(dtype=object)
        upper = rows["expected_value"].rank(method="first", ascending=False) <= len(rows) / 2
        ways["everybody on the list"] = option
        ways["the half of highest expected value"] = np.where(upper, option, "")
    return ways


def evaluate(
    log_path: Where, campaign: str, ways: Mapping[str, Mapping[str, str]] | None = None
) -> PolicyReport:
    """Off-policy estimates of the simple ways, and of others.

    Parameters
    ----------
    ways
        By name what would be done with each customer, an option's name or "" for nothing; customers
        who are not there would be left alone.

    Raises
    ------
    NotReadyError
        If the campaign is unknown or has no outcomes yet.
    """
    rows = followed(log_path, campaign)
    whole, waiting = rows[~rows["open"]], int(rows["open"].sum())
    rows = rows if whole.empty else whole.reset_index(drop=True)
    actions = simple_ways(rows)
    for name, by_customer in (ways or {}).items():
        actions[name] = rows["customer_id"].map(dict(by_customer)).fillna("").to_numpy(dtype=object)
    reward, who = rows["profit"].to_numpy(dtype=np.float64), rows["customer_id"].to_numpy(dtype=object)
    mean = float(reward.mean())
    return PolicyReport(
        campaign=campaign,
        currency=str(rows["currency"].iat[0]),
        decisions=len(rows),
        logged=by_influence(mean, reward - mean, who),
        contacts=float(rows["action"].ne("").mean()),
        alternatives=tuple(_alternative(rows, name, done) for name, done in actions.items()),
        waiting=waiting,
    )


def _alternative(rows: Followed, name: str, would: NDArray[Any]) -> Alternative:
    done, contacts = rows["action"].to_numpy(dtype=object), float(np.mean(would != ""))
    who = rows["customer_id"].to_numpy(dtype=object)
    try:
        log = logged_actions(
            rows["decision_id"].to_numpy(),
            rows["profit"].to_numpy(dtype=np.float64),
            rows["probability"].to_numpy(dtype=np.float64),
            (done == would).astype(np.float64),
            who,
        )
    except RefusedError as error:
        return Alternative(name, contacts, (), (str(error),))
    found = (ips(log), snips(log), doubly_robust(log, *_direct(log, who, done, would)))
    return Alternative(name, contacts, found, tuple(dict.fromkeys(w for e in found for w in e.cautions)))


def _direct(
    log: LoggedActions, who: NDArray[Any], done: NDArray[Any], would: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean reward of the action taken and of the one that would be, each learned from other customers.

    A coarse model is enough: the doubly robust estimate is right by the probabilities, and the model
    only makes it narrower.
    """
    fold = bucket(pd.Series(who), "fold") < 0.5
    taken, other = np.empty(len(done)), np.empty(len(done))
    for part in (True, False):
        here, there = fold == part, fold != part
        learned = pd.Series(log.reward[there]).groupby(done[there]).mean()
        usual = float(log.reward[there].mean()) if there.any() else 0.0
        for target, actions in ((taken, done), (other, would)):
            target[here] = pd.Series(actions[here]).map(learned).fillna(usual).to_numpy(np.float64)
    return taken, other


def _record(estimate: OffPolicy) -> dict[str, Any]:
    overlap = estimate.overlap
    return {
        "method": estimate.method,
        **estimate.value._asdict(),
        "effective_decisions": overlap.effective_rows,
        "used": overlap.used,
        "largest_share": overlap.largest_share,
    }
