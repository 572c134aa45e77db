"""Whether history has gone on since the features were built on which a list or a plan would rest."""

from collections.abc import Callable
from datetime import datetime, timedelta

from features.errors import NotReadyError
from features.history.end import day_after_history
from features.home import Home
from serving.deciding.pacing import DAYS

__all__ = ["check_fresh"]


def check_fresh(home: Home, as_of: datetime, tell: Callable[[str], None]) -> None:
    """Refuse decisions whose outcomes would all be late, and tell of features that history has outrun.

    A simulated bank decides at the features' as_of and lives on at the end of its history: once that is
    later, outcomes come too late for their windows. A real bank decides now; there `tell` is told of
    features that are more than a plan's days behind history, as in a look back at old times.

    Raises
    ------
    NotReadyError
        If a simulated bank has lived on since.
    """
    if not (home.history / "manifest.json").is_file():
        return
    end = day_after_history(home)
    said = (
        f"{home.offline}: the features are of {as_of:%Y-%m-%d}, history goes on to {end:%Y-%m-%d}; "
        "cure: run `tenure features build`, `tenure features materialize` and `tenure score --all`"
    )
    if home.simulated and end > as_of:
        raise NotReadyError(said)
    if end - as_of > timedelta(days=DAYS):
        tell(said)
