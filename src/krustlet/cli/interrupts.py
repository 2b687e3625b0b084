"""Ctrl-C while modules are imported, which takes most of a short command's time."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130  # 128 + SIGINT


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """In this block Ctrl-C ends the process quietly; for a block that begins nothing to tidy up.

    An exception would not do: where one is raised in a callback of the import system, Python prints
    it and goes on.
    """
    try:
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual:
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    except ValueError:  # not in the main thread, which alone hears of signals
        usual = False
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)
