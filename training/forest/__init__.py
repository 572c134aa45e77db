"""LightGBM's trees without LightGBM: the same scores to the last bit, and exact contributions, compiled.

A call costs microseconds where `Booster.predict` costs tens, and one call answers for many boosters.
"""

from training.forest.forest import Forest, pack, together

__all__ = ["Forest", "pack", "together"]
