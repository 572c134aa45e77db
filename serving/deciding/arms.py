"""Who is decided for how: arms drawn by a salted hash, the same in lists and live."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from serving.log.decisions import CONTROL, TARGET
from serving.policy import Arm

__all__ = ["assign", "drawn", "list_arm"]


def drawn(salt: str, scope: str, customer_ids: Iterable[str]) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each customer: nobody can choose it, anyone with the salt can repeat it.

    SHA-256 of salt, scope and id, so that draws of different scopes are independent.
    """
    begun = hashlib.sha256(f"{salt}\x1f{scope}\x1f".encode())
    numbers = []
    for customer_id in customer_ids:
        digest = begun.copy()
        digest.update(customer_id.encode())
        # 53 bits: as many as a float64 holds, so that no draw is rounded up to 1.
        numbers.append((int.from_bytes(digest.digest()[:8], "big") >> 11) / 2.0**53)
    return np.array(numbers)


def assign(
    salt: str, period: str, arms: Sequence[Arm], customer_ids: Iterable[str]
) -> npt.NDArray[np.uint8]:
    """The arm of each customer as its place in `arms`, shape (n,).

    It depends on salt, period, id and the shares alone: on no list, day or other customer. A change of
    shares moves nobody from an arm that stands before the changed ones.
    """
    # The shares add up to 1 but for rounding; the last arm takes what is lost there.
    ends = _ends(tuple(arms))[:-1]
    return ends.searchsorted(drawn(salt, f"arms {period}", customer_ids), side="right").astype(np.uint8)


@lru_cache(maxsize=64)
def _ends(arms: tuple[Arm, ...]) -> npt.NDArray[np.float64]:
    return np.cumsum([arm.share for arm in arms])


def list_arm(salt: str, list_id: str, customer_id: str, control_share: float) -> str:
    """Whether one customer of one list is in its target or in its control group."""
    return CONTROL if drawn(salt, list_id, [customer_id])[0] < control_share else TARGET
