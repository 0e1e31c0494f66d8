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
