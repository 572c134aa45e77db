"""What one more contact costs: how earlier contacts change answers, opting out and complaining, in money.

A contact costs twice: it may itself make the customer opt out or complain, and it makes the contacts of
the months to come less welcome, at a price that depends on what the customer would have answered to
them. The slopes are logistic regressions over the contacts that were made. They are effects as far as it
was chance who had been contacted before, given the controls; campaigns drawn at random give that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from features.errors import InputError, RefusedError
from features.vocabulary import CUSTOMER_ID
from training.estimate import Estimate, Z

__all__ = ["ANSWERS", "RECENT", "Fatigue", "Stakes", "contact_rows", "price_fatigue"]

RECENT = ("contacts_30d", "contacts_31_90d", "contacts_91_180d")
"""Earlier contacts of the 30 days before a contact, of the 60 days before those, and of the 90 before."""

ANSWERS = ("accepted", "opted_out", "complained")

_LATER = ("later_30d", "later_31_90d", "later_91_180d")
_BEFORE = "complained_before"
_COMPLAINT_DAYS = 7
_SPANS = ((0, 30), (30, 90), (90, 180))
_FEWEST = 30
_C = 1e4
"""Hardly any ridge: it only keeps a word that nobody answered to from running away."""


@dataclass(frozen=True)
class Stakes:
    """What is lost in major units by an opt-out (a year's offers) and by a complaint; each at least 0."""

    opted_out: float
    complained: float


@dataclass(frozen=True)
class Fatigue:
    """What a contact costs later, in major units.

    slopes
        Answer -> span of RECENT -> what each earlier contact adds to the answer's log-odds.
    own
        Channel -> opting out and complaints that a contact itself brings, at their stakes; complaints
        beyond those of as many days before it.
    later
        The same of later contacts, as many as customers now get within 180 days of one.
    weaker
        Log-odds of accepting that it takes from all those later contacts together.
    prices
        Channel -> own + later: what one more contact costs any customer beside its direct cost. On top
        comes `weaker` x what a unit of log-odds is worth with the customer.
    left_out
        Answer -> why its slopes are not known; it is priced by its own part alone.
    """

    slopes: Mapping[str, Mapping[str, Estimate]]
    own: Mapping[str, Estimate]
    later: Estimate
    weaker: Estimate
    prices: Mapping[str, Estimate]
    left_out: Mapping[str, str]
    contacts: int


def contact_rows(interactions: pd.DataFrame) -> pd.DataFrame:
    """Every campaign contact, with what came before and after it.

    Parameters
    ----------
    interactions
        The history's table as known last: customer_id, at, kind, direction, channel, product, response.
        Leave out contacts of the last week, whose complaints have not come yet.

    Returns
    -------
    DataFrame
        customer_id, at, channel, product; accepted, opted_out, complained (within 7 days),
        complained_before (within 7 days before), as 0.0 or 1.0; RECENT, and later_30d, later_31_90d and
        later_91_180d, as counts. By customer and time. Contacts of the first 180 days are left out.
    """
    met = interactions[(interactions["kind"] == "campaign") & (interactions["direction"] == "out")]
    # To the last word: sums of floats depend on the order of rows, and a query's rows come in any.
    met = met.sort_values([CUSTOMER_ID, "at", "channel", "product", "response"], ignore_index=True)
    rows = met[[CUSTOMER_ID, "at", "channel", "product"]].copy()
    for word in ANSWERS[:2]:
        rows[word] = (met["response"] == word).astype("float64")
    codes, customers = pd.factorize(rows[CUSTOMER_ID])
    times = _days(rows["at"])
    for (since, until), recent, later in zip(_SPANS, RECENT, _LATER, strict=True):
        rows[recent] = _between(codes, times, codes, times, -until, -since)
        rows[later] = _between(codes, times, codes, times, since, until)
    complaints = interactions[interactions["kind"] == "complaint"]
    theirs = pd.Index(customers).get_indexer(pd.Index(complaints[CUSTOMER_ID]))
    when = _days(complaints["at"])[theirs >= 0]
    theirs = theirs[theirs >= 0]
    for name, span in (("complained", (0, _COMPLAINT_DAYS)), (_BEFORE, (-_COMPLAINT_DAYS, 0))):
        rows[name] = np.minimum(_between(codes, times, theirs, when, *span), 1.0)
    return rows[times >= times.min() + _SPANS[-1][1]].reset_index(drop=True) if len(rows) else rows


def price_fatigue(rows: pd.DataFrame, stakes: Stakes, controls: Sequence[str] = ()) -> Fatigue:
    """Estimate slopes and price them.

    Parameters
    ----------
    rows
        From `contact_rows`, with the columns of `controls` (numbers, none missing) beside.
    controls
        What else may move both contacts and answers, such as age or the number of products. Channel
        and product are always controlled for.

    Raises
    ------
    InputError
        If a column is missing, a control is not a finite number, or a stake is negative.
    RefusedError
        If nobody opted out or complained often enough to say anything.
    """
    _check(rows, stakes, controls)
    worth = {"opted_out": stakes.opted_out, "complained": stakes.complained}
    design, names = _design(rows, controls)
    later = _later(rows)
    slopes: dict[str, dict[str, Estimate]] = {}
    left_out: dict[str, str] = {}
    cost, variance, weaker = 0.0, 0.0, _around(0.0, 0.0)
    for answer in ANSWERS:
        hit = rows[answer].to_numpy(dtype=np.float64)
        if min(hit.sum(), len(hit) - hit.sum()) < _FEWEST:
            left_out[answer] = f"{hit.sum():.0f} of {len(hit)} contacts, {_FEWEST} needed"
            continue
        beta, covariance, steep = _logistic(design, hit, rows[CUSTOMER_ID].to_numpy())
        error = np.sqrt(np.diag(covariance))
        slopes[answer] = {n: _around(beta[i], error[i]) for i, n in enumerate(names) if n in RECENT}
        if answer == "accepted":
            spread = later @ covariance[: len(RECENT), : len(RECENT)] @ later
            weaker = _around(-float(later @ beta[: len(RECENT)]), float(spread) ** 0.5)
            continue
        weight = worth[answer] * steep * later
        cost += float(weight @ beta[: len(RECENT)])
        variance += float(weight @ covariance[: len(RECENT), : len(RECENT)] @ weight)
    if {"opted_out", "complained"} <= set(left_out):
        raise RefusedError(
            f"fatigue: {'; '.join(f'{a}: {why}' for a, why in left_out.items())}; "
            "cure: import more contacts, or let the stated price of a contact stand"
        )
    own = {str(c): _own(of_one, stakes) for c, of_one in rows.groupby("channel")}
    prices = {c: _around(e.point + cost, (e.error**2 + variance) ** 0.5) for c, e in own.items()}
    return Fatigue(slopes, own, _around(cost, variance**0.5), weaker, prices, left_out, len(rows))


def _later(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Mean counts of later contacts, of contacts that are long enough ago where there are any."""
    past = rows[rows["at"] <= rows["at"].max() - pd.Timedelta(days=_SPANS[-1][1])]
    counts: NDArray[np.float64] = (past if len(past) else rows)[list(_LATER)].mean().to_numpy(np.float64)
    return counts


def _days(at: "pd.Series[Any]") -> NDArray[np.float64]:
    days: NDArray[np.float64] = (at - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy() / 86_400
    return days


def _between(
    codes: NDArray[Any],
    times: NDArray[np.float64],
    whose: NDArray[Any],
    when: NDArray[np.float64],
    since: float,
    until: float,
) -> NDArray[np.float64]:
    """For each (code, time) how many of the same code's moments lie within days [since, until) of it.

    The moment itself never counts: a span that begins at 0 begins after it.
    """
    if not len(times):
        return np.zeros(0)
    # One number for customer and time, so that one search finds a customer's span.
    both = np.concatenate([times, when])
    start, wide = both.min(), 2 * (np.ptp(both) + 2 * _SPANS[-1][1])
    place = np.sort(whose * wide + when - start)
    base = codes * wide + times - start
    first = np.searchsorted(place, base + since, "right" if since == 0 else "left")
    last = np.searchsorted(place, base + until, "left")
    counted: NDArray[np.float64] = (last - first).astype(np.float64)
    return counted


def _check(rows: pd.DataFrame, stakes: Stakes, controls: Sequence[str]) -> None:
    needed = (CUSTOMER_ID, "at", "channel", "product", *ANSWERS, _BEFORE, *RECENT, *_LATER, *controls)
    if missing := [c for c in needed if c not in rows]:
        raise InputError(
            f"fatigue: no column '{missing[0]}'; cure: use contact_rows, and join the controls"
        )
    for name in controls:
        if not np.isfinite(rows[name].to_numpy(dtype=np.float64, na_value=np.nan)).all():
            raise InputError(f"fatigue: control '{name}' is missing somewhere; cure: fill or leave it out")
    if min(stakes.opted_out, stakes.complained) < 0:
        raise InputError("fatigue: a stake is negative; cure: state what is lost as a positive amount")


def _design(rows: pd.DataFrame, controls: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """RECENT first, then controls to one scale, then channel and product as words, then the constant."""
    told = rows[list(controls)].astype("float64")
    told = (told - told.mean()) / told.std(ddof=0).replace(0.0, 1.0)
    words = pd.get_dummies(rows[["channel", "product"]].astype("string"), drop_first=True, dtype=np.float64)
    table = pd.concat([rows[list(RECENT)].astype("float64"), told, words], axis=1).assign(constant=1.0)
    return table.to_numpy(dtype=np.float64), list(table.columns)


def _logistic(
    design: NDArray[np.float64], hit: NDArray[np.float64], customers: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Coefficients, their covariance (sandwich, clustered by customer), and the mean of p (1 - p)."""
    fitted = LogisticRegression(C=_C, fit_intercept=False, solver="newton-cholesky", max_iter=200)
    beta: NDArray[np.float64] = fitted.fit(design, hit).coef_[0]
    p = fitted.predict_proba(design)[:, 1]
    bread = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design + np.eye(len(beta)) / _C)
    codes, _ = pd.factorize(customers)
    scores = np.zeros((codes.max() + 1, len(beta)))
    np.add.at(scores, codes, design * (hit - p)[:, None])
    return beta, bread @ (scores.T @ scores) @ bread, float(np.mean(p * (1 - p)))


def _own(rows: pd.DataFrame, stakes: Stakes) -> Estimate:
    more = rows["complained"] - rows[_BEFORE]
    lost = (stakes.opted_out * rows["opted_out"] + stakes.complained * more).to_numpy(dtype=np.float64)
    return _around(float(lost.mean()), float(lost.std(ddof=1) / len(lost) ** 0.5) if len(lost) > 1 else 0.0)


def _around(point: float, error: float) -> Estimate:
    return Estimate(float(point), float(point - Z * error), float(point + Z * error))
