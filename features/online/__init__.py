"""Features of single customers, read while they wait: storage, reader, push, materialisation."""

from features.online.reader import OnlineReader, OnlineRows

__all__ = ["OnlineReader", "OnlineRows"]
