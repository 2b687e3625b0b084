"""A pytest plugin: signals mean what they do at a terminal, however the tests were started.

A shell's `&` has its commands ignore SIGINT and SIGQUIT, and `nohup` has them ignore SIGHUP; they
hand that on to all that they start, and it would not end when a test presses Ctrl-C.
"""

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


def _outlives_it(_number: int, _frame: FrameType | None) -> None:
    """The tests go on without their terminal, but what they start has no handler."""


_USUAL: Final[Mapping[signal.Signals, Handler]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: _outlives_it,
}


def pytest_configure() -> None:
    for number, handler in _USUAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
