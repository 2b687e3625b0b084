"""Set logging up, once for each process: JSON lines, or something to read on a terminal."""

import logging
import os
import sys
from typing import Final

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")


def set_up_logs(level: str) -> None:
    """Log from `level` up to stderr.

    Tracebacks come without local variables: these may hold a container's secrets.

    Args:
        level: one of `LEVELS`.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(terminal=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _rendering(*, terminal: bool) -> list[structlog.typing.Processor]:
    if terminal:
        return [
            structlog.dev.ConsoleRenderer(
                colors=not os.environ.get("NO_COLOR"),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(without_locals),
        structlog.processors.JSONRenderer(),
    ]
