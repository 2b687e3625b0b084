"""Hand this process' terminal to somebody else for a while, key by key.

Owns its state: whatever ends the block, and be it a signal, the terminal is as it was.
"""

import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, NamedTuple

_STDIN: Final = 0
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

_Handler = Callable[[int, FrameType | None], Any] | int | None


class Size(NamedTuple):
    """Of a terminal, in characters."""

    columns: int
    rows: int


def terminal_size() -> Size | None:
    """Of this process' terminal; None without one, or where it knows none."""
    for descriptor in (1, 0, 2):
        try:
            size = os.get_terminal_size(descriptor)
        except OSError:
            continue
        return Size(size.columns, size.lines) if size.columns and size.lines else None
    return None


def has_terminal() -> bool:
    """Whether keys are typed into stdin."""
    return os.isatty(_STDIN)


@contextlib.contextmanager
def raw_terminal(*, leaving: bool = True) -> Iterator[None]:
    """In this block each key is read as it is pressed, and nothing is shown of it: Ctrl-C, too.

    A process that was stopped from outside finds the terminal raw again when it goes on.

    Args:
        leaving: signals that would end the process end the block first; else somebody else sees
            to that.
    """
    before = termios.tcgetattr(_STDIN)
    sys.stdout.flush()
    ending = dict.fromkeys(_ENDING, _leave) if leaving else {}
    with _signals({**ending, signal.SIGCONT: _again}):
        try:
            tty.setraw(_STDIN, termios.TCSANOW)  # what was typed ahead is meant, too
            yield
        finally:
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)


@contextlib.contextmanager
def hearing_of_size(tell: Callable[[], None]) -> Iterator[None]:
    """In this block `tell` is called whenever the terminal's size may have changed."""
    with _signals({signal.SIGWINCH: lambda *_: tell()}):
        yield


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _again(*_: object) -> None:
    with contextlib.suppress(termios.error):  # hung up meanwhile
        tty.setraw(_STDIN, termios.TCSANOW)
    os.kill(os.getpid(), signal.SIGWINCH)  # it may have another size now


@contextlib.contextmanager
def _signals(handlers: dict[signal.Signals, Callable[..., None]]) -> Iterator[None]:
    before: dict[signal.Signals, _Handler] = {}
    try:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
