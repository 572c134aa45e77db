"""Logs as one line of JSON an event: never a body, an id or value of a customer, or an exception's text."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TextIO

__all__ = ["EVERY", "JsonLines", "log_lines"]

EVERY = 100
"""Of answers that are well, and of refusals of load, one in so many is logged; metrics count all."""

_OTHERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "bentoml", "asyncio", "py.warnings")


class JsonLines(logging.Formatter):
    """Our own words as they are; of a library's words only where they were said.

    A library may quote what it was given, so its text is left out; an exception is told by type and place.
    Further facts of an event are in the record's `facts`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        ours = record.name == "tenure" or record.name.startswith("tenure.")
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if ours else f"{record.module}:{record.lineno}",
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["place"] = f"{trace.tb_frame.f_globals.get('__name__', '')}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def log_lines(stream: TextIO | None = None) -> None:
    """Write every log of the process so, to a stream or standard error; errors of threads too."""
    handler = logging.StreamHandler(stream or sys.__stderr__)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger("tenure").setLevel(logging.INFO)
    logging.captureWarnings(True)
    for name in (*logging.root.manager.loggerDict, *_OTHERS):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    sys.excepthook = lambda kind, error, trace: root.critical("", exc_info=(kind, error, trace))
    threading.excepthook = _thread_failed


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value
    if error is not None:
        facts = (failed.exc_type, error, failed.exc_traceback)
        logging.getLogger("tenure").error("a thread failed", exc_info=facts)
