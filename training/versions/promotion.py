"""Promotion: the challenger becomes the champion, if the gates and the rule of four eyes let it."""

from collections.abc import Callable
from datetime import datetime

from features.errors import NotReadyError, RefusedError
from features.home import Home
from features.snapshots import current_generation
from training.gates import Verdict, judge
from training.registry import Registry
from training.specs import spec_for
from training.staleness import age_days
from training.versions.bundle import FACTS, SLICES
from training.versions.champions import Champions, ModelVersion

__all__ = ["promote"]

Tell = Callable[[str], None]


def promote(
    home: Home, name: str, *, who: str, at: datetime, tell: Tell, four_eyes: bool = False
) -> tuple[ModelVersion, Verdict]:
    """Make the challenger the champion if its stored metrics pass the gates.

    Parameters
    ----------
    four_eyes
        Refuse whoever trained it.

    Raises
    ------
    NotReadyError
        If nothing was trained.
    RefusedError
        With every reason that speaks against it.
    CorruptError
        If its files are not as written, or kill the process that loads them; the champion stays.
    """
    registry, champions = Registry(home), Champions(home)
    challenger = registry.challenger(name)
    champions.rehearse([challenger])
    if four_eyes:
        _refuse_the_trainer(
            challenger, champions.record(challenger.run_id, FACTS)["tags"]["trained_by"], who
        )
    measured, theirs = registry.against(challenger)
    stack = champions.stack(name)
    if (present := stack[-1].version if stack else None) not in (measured, challenger.version):
        raise RefusedError(
            f"{name}/{challenger.version} was measured against champion {measured or 'none'}, "
            f"now it is {present or 'none'}; cure: run `tenure train {name}` again"
        )
    spec, slices = spec_for(name), champions.record(challenger.run_id, SLICES)
    age = age_days(spec, registry.load(challenger), _present(home))
    verdict = judge(spec, registry.metrics(challenger), theirs, slices=slices, age_days=age)
    champion = registry.promote(challenger, verdict, who=who, at=at)
    tell(f"{name}: version {champion.version} is the champion")
    return champion, verdict


def _refuse_the_trainer(challenger: ModelVersion, trainer: str, who: str) -> None:
    if not trainer or trainer.strip().casefold() == who.strip().casefold():
        by = f"was trained by {trainer}" if trainer else "does not say who trained it"
        raise RefusedError(
            f"{challenger.name}/{challenger.version} {by}, and another must promote it; "
            "cure: ask a colleague to run `tenure models promote`"
        )


def _present(home: Home) -> datetime | None:
    """The as_of of the features that are served; None where none are built."""
    try:
        return current_generation(home).as_of
    except NotReadyError:
        return None
