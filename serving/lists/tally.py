"""What is counted while the decisions of a plan are made, one block of customers after the other."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.vocabulary import Catalogue
from serving.deciding.decide import Decided
from serving.policy import Policy

__all__ = ["Tally"]


@dataclass
class Tally:
    """What is counted while a plan's decisions are made."""

    considered: int = 0
    arms: Counter[str] = field(default_factory=Counter)
    contacted: Counter[str] = field(default_factory=Counter)
    options: Counter[str] = field(default_factory=Counter)
    removed: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, decided: Decided, catalogue: Catalogue, policy: Policy) -> None:
        """Count one block of customers."""
        acts, names = decided.action >= 0, [option.name for option in catalogue.options]
        self.considered += len(acts)
        for place, arm in enumerate(policy.arms):
            self.arms[arm.what] += int((decided.arm == place).sum())
        for place, rule in enumerate(names):
            counts = decided.weighed.removed.counts(place)
            self.removed[rule] = self.removed.get(rule, Counter()) + Counter(counts)
        self.add_contacts(decided, np.flatnonzero(acts), catalogue, policy)

    def add_contacts(
        self, decided: Decided, rows: NDArray[np.int64], catalogue: Catalogue, policy: Policy
    ) -> None:
        """Count the contacts of some customers of a block."""
        for place in rows.tolist():
            self.contacted[policy.arms[int(decided.arm[place])].what] += 1
            self.options[catalogue.options[int(decided.action[place])].name] += 1
