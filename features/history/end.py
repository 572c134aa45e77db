"""Where a bank's history ends."""

from datetime import datetime, timedelta

from features.home import Home, read_json

__all__ = ["day_after_history"]


def day_after_history(home: Home) -> datetime:
    """The midnight after the last booking: the latest moment at which features are complete.

    Raises
    ------
    NotReadyError
        If nothing was imported yet.
    """
    manifest = read_json(home.history / "manifest.json", cure="run `tenure simulate` or `tenure import`")
    last = datetime.fromisoformat(manifest["tables"]["transactions"]["last"])
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
