"""Set logging up, once for each process: JSON lines, or something to read on a terminal."""

import logging
import sys
from typing import Final

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")


def set_up_logs(level: str) -> None:
    """Log from `level` up to stderr.

    Args:
        level: one of `LEVELS`.
    """
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.dict_tracebacks]),
            _renderer(terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _renderer(terminal: bool) -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
