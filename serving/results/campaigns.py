"""Reports on campaigns: what each earned, arm by arm, and what the models behind them earned."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from features.database.address import Where
from features.errors import NotReadyError, RefusedError
from serving.log.decisions import CONTROL, TARGET, open_log
from serving.results.comparison import summed
from serving.results.earned import Earned, compare
from serving.results.followed import Followed, followed
from training.estimate import Estimate

__all__ = ["EarnedByModels", "earned_by_arm", "earned_by_campaign", "earned_by_models", "report"]

_ARM = {"list": TARGET, "plan": "champion", "live": "champion"}
_AGAINST = {"list": CONTROL, "plan": "universal_control", "live": "universal_control"}
_RIVAL = "propensity_only"
_Tell = Callable[[str], None]


@dataclass(frozen=True)
class EarnedByModels:
    """What all campaigns by the same models earned together; money in major units of `currency`.

    incremental_takers, profit
        Sums over `campaigns`, each against its own control, with their 95% intervals.
    """

    models: str
    campaigns: tuple[str, ...]
    currency: str
    target: int
    control: int
    contacts: int
    incremental_takers: float
    incremental_takers_low: float
    incremental_takers_high: float
    profit: float
    profit_low: float
    profit_high: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def report(log_path: Where, campaign: str) -> Earned:
    """A list's target group against its control; of a plan and live the champion against nobody.

    Raises
    ------
    NotReadyError
        If the campaign is unknown or has no outcomes yet.
    RefusedError
        If one of the two groups is empty.
    """
    rows = followed(log_path, campaign)
    return _headline(log_path, rows)


def earned_by_arm(log_path: Where, campaign: str) -> tuple[Earned, ...]:
    """Each arm of a campaign against those who were left alone, and the champion against its rival.

    Raises
    ------
    NotReadyError
        If the campaign is unknown or has no outcomes yet.
    RefusedError
        If there is nothing to compare with.
    """
    rows, untimely = followed(log_path, campaign), _untimely(log_path, campaign)
    kind = str(rows["kind"].iat[0])
    arms = [arm for arm in sorted(rows["arm"].unique()) if arm != _AGAINST[kind]]
    found = [compare(rows, arm, _AGAINST[kind], untimely) for arm in arms or [_ARM[kind]]]
    if {_ARM[kind], _RIVAL} <= set(arms):
        found.append(compare(rows, _ARM[kind], _RIVAL, untimely))
    return tuple(found)


def earned_by_campaign(log_path: Where, tell: _Tell) -> tuple[Earned, ...]:
    """Every campaign that can be compared, in the order in which they were recorded.

    `tell` is told of each other one why not.

    Raises
    ------
    NotReadyError
        If there is none.
    """
    return tuple(_headline(log_path, rows) for rows in _comparable(log_path, tell))


def earned_by_models(log_path: Where, tell: _Tell) -> tuple[EarnedByModels, ...]:
    """The same for the models behind the campaigns: each campaign against its own control, then summed.

    Raises
    ------
    NotReadyError
        If no campaign can be compared.
    """
    parts: dict[tuple[str, str], list[Earned]] = {}
    for rows in _comparable(log_path, tell):
        for models in rows["models"].unique():
            try:
                found = _headline(log_path, rows[rows["models"] == models])
            except RefusedError as error:
                tell(str(error))
            else:
                parts.setdefault((str(models), found.currency), []).append(found)
    return tuple(_together(models, currency, earned) for (models, currency), earned in parts.items())


def _comparable(log_path: Where, tell: _Tell) -> Iterator[Followed]:
    any_told = False
    for name in _names(log_path):
        try:
            rows = followed(log_path, name)
            _headline(log_path, rows)
        except (NotReadyError, RefusedError) as error:
            tell(str(error))
            continue
        any_told = True
        yield rows
    if not any_told:
        raise NotReadyError(f"{log_path}: no campaign can be told yet; cure: run `tenure outcomes import`")


def _names(log_path: Where) -> list[str]:
    with open_log(log_path, only_read=True) as log:
        found = log.execute("SELECT campaign FROM decisions GROUP BY campaign ORDER BY min(rowid)")
        return [str(name) for (name,) in found]


def _headline(log_path: Where, rows: Followed) -> Earned:
    kind = str(rows["kind"].iat[0])
    return compare(rows, _ARM[kind], _AGAINST[kind], _untimely(log_path, str(rows["campaign"].iat[0])))


def _untimely(log_path: Where, campaign: str) -> dict[str, int]:
    with open_log(log_path, only_read=True) as log:
        query = "SELECT flag, count(*) FROM timed WHERE campaign = ? GROUP BY flag"
        return dict(log.execute(query, (campaign,)).fetchall())


def _together(models: str, currency: str, earned: list[Earned]) -> EarnedByModels:
    takers = summed(
        [
            Estimate(*(e.target * x for x in (e.difference, e.difference_low, e.difference_high)))
            for e in earned
        ]
    )
    profit = summed([Estimate(e.profit, e.profit_low, e.profit_high) for e in earned])
    return EarnedByModels(
        models=models,
        campaigns=tuple(e.campaign for e in earned),
        currency=currency,
        target=sum(e.target for e in earned),
        control=sum(e.control for e in earned),
        contacts=sum(e.contacts for e in earned),
        incremental_takers=takers.point,
        incremental_takers_low=takers.low,
        incremental_takers_high=takers.high,
        profit=profit.point,
        profit_low=profit.low,
        profit_high=profit.high,
    )
