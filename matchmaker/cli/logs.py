"""The log of a worker: lines for people or JSON, to standard error."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog

from matchmaker.settings import Settings


def configure(settings: Settings, **always: str) -> None:
    """Sets up structlog for this process; ``always`` stands in every line."""
    processors: list[Any] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if settings.log_format == "json":
        processors += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0, pad_level=False),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**always)


def adopt(name: str) -> None:
    """Takes over what a library tells the standard ``logging`` under this name: warnings and worse become lines of our
    log."""
    logger = logging.getLogger(name)
    logger.handlers[:] = [_Adopted(logging.WARNING)]  # whatever level the library sets
    logger.propagate = False
    logger.setLevel(logging.WARNING)


class _Adopted(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        fault = record.exc_info[1] if record.exc_info else None
        first, *rest = record.getMessage().strip().splitlines() or [""]
        # RQ has the traceback of a job's failure in its message; what was raised is the last line of it.
        error = f"{type(fault).__name__}: {fault}" if fault else rest[-1] if rest else ""
        getattr(structlog.get_logger(record.name), level)(first, **({"error": error} if error else {}))
