"""One compiled pass over customer-sorted history: every window and level, for many moments at once."""

from features.engines.compiled.run import write_snapshots

__all__ = ["write_snapshots"]
