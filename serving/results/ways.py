"""Other ways to decide, worked out anew from the sources that a plan was made of."""

from features.errors import RefusedError
from features.home import Home
from serving.deciding.choice import best
from serving.lists.sources import gather, parts
from serving.log.decisions import open_log

__all__ = ["other_ways"]

_VERSIONS = ("feature_generation", "catalogue_version", "policy_version", "models")


def other_ways(home: Home, campaign: str) -> dict[str, dict[str, str]]:
    """By way and customer the option that would be taken, "" for none.

    Everybody the best option by propensity; and everybody the most valuable one at zero prices, as if
    no budget, capacity or volume were there.

    Raises
    ------
    RefusedError
        If features, models, catalogue or policy are others by now than the campaign's.
    NotReadyError, CorruptError
        If the sources are not there or damaged.
    """
    sources = gather(home)
    scorer = sources.scorer
    now = (sources.generation.name, scorer.catalogue.version, sources.policy.version)
    models = " ".join(scorer.versions.values())
    with open_log(home.decisions_db, only_read=True) as log:
        query = f"SELECT DISTINCT {', '.join(_VERSIONS)} FROM decisions WHERE campaign = ?"
        found = log.execute(query, (campaign,)).fetchall()
    if found != [(*now, models)]:
        raise RefusedError(
            f"campaign '{campaign}' was decided by other features, models, catalogue or policy than are in "
            "service now; cure: compare what its own log tells"
        )
    names = ["", *(option.name for option in scorer.catalogue.options)]
    ways: dict[str, dict[str, str]] = {
        "everybody the best by propensity": {},
        "champion at zero prices": {},
    }
    by_propensity, free = ways.values()
    for part in parts(sources):
        priceless = best(part.weighed.values.astype("float64"), part.weighed.removed.allowed)
        for who, usual, own in zip(
            part.ids, part.weighed.by_propensity.tolist(), priceless.tolist(), strict=True
        ):
            by_propensity[who], free[who] = names[usual + 1], names[own + 1]
    return ways
