"""Krustlet's troubles of its own, told to somebody who has asked for no logs."""

import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from krustlet.base.logs import set_up_logs
from krustlet.cli.words import coloured

_TOLD_OTHERWISE: Final = ("pod.bug",)  # is an event of the pod, too, which ends the run
_SENTENCES: Final = {"supervisor.lost": "the supervisor died, and its containers with it"}
_DIM: Final = "2"


def set_up_plain_logs() -> None:
    """Errors alone, each in a line for people, on stderr."""
    set_up_logs("error")
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, _line])


def _line(_logger: object, _level: str, entry: MutableMapping[str, Any]) -> str:
    name = str(entry.pop("event"))
    if name in _TOLD_OTHERWISE:
        raise structlog.DropEvent
    if (sentence := _SENTENCES.get(name)) is None:
        error = entry.pop("exc_info", None)
        if not isinstance(error, BaseException):
            error = sys.exception() if error else None
        facts = [f"{key}={value}" for key, value in entry.items()]
        if error is not None:
            facts.append(f"{type(error).__name__}: {error}")
        sentence = " ".join([f"{name}:", *facts] if facts else [name])
    return coloured(sentence, _DIM, sys.stderr)
