"""What may be told of groups of customers: no count below k, and none from which one can be worked out.

A marketer words segments and eligibility freely, so a group may be one person; and two groups that differ
by one person would tell of that person by their difference. So counts are told in whole steps of k.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["OTHERS", "folded", "in_steps", "told"]

OTHERS = "others"


def in_steps(count: int, few: int) -> int | None:
    """A count in whole steps of `few`, rounded down; None below one.

    >>> in_steps(19, 20), in_steps(59, 20), in_steps(60, 20)
    (None, 40, 60)
    """
    return count // few * few or None


def told(groups: Iterable[str], few: int) -> dict[str, int | None]:
    """How often each group occurs; None for those too small to be told.

    If just one would be hidden, the sum of all would give it away: then the next smallest is hidden too.
    """
    counts = Counter(groups)
    order = sorted(counts, key=lambda name: (counts[name], name))
    hidden = [name for name in order if counts[name] < few]
    if len(hidden) == 1:
        hidden = order[:2]
    return {name: None if name in hidden else counts[name] for name in sorted(counts)}


def folded(counts: Mapping[str, int], few: int) -> dict[str, int]:
    """The same total, small counts told together as `others`, with the next smallest where these are few.

    >>> folded({"held": 90, "refused": 40, "minor": 3}, 20)
    {'held': 90, 'others': 43}
    """
    order = sorted((name for name in counts if counts[name]), key=lambda name: (counts[name], name))
    small = [name for name in order if counts[name] < few]
    if small and sum(counts[name] for name in small) < few:
        small = order[: len(small) + 1]
    kept = {name: count for name, count in counts.items() if count and name not in small}
    return {**kept, OTHERS: sum(counts[name] for name in small)} if small else kept
