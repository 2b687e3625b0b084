"""This process' own standard streams, which may be closed, full, or read by nobody.

Owns what happens then. Stdout carries the result, which is not lost in silence: what cannot be
written there ends the command. What goes to stderr is said beside the matter: nothing depends on
it, and whoever closed it wants to hear nothing.
"""

import contextlib
import io
import os
import select
import signal
import sys
from typing import Any, Final, TextIO

from krustlet.base.errors import KrustletError

SIGPIPE_CODE: Final = 128 + signal.SIGPIPE
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2
# Of a stream that was closed: opened the wrong way round, it fails as a closed one does, and yet
# no file that is opened later takes its number, and gets what was meant for it.
_USELESS: Final = {_STDIN: os.O_WRONLY, _STDOUT: os.O_RDONLY, _STDERR: os.O_RDONLY}


class ReaderGone(Exception):
    """Nobody reads our output any more, which ends other tools by SIGPIPE."""


class StdoutUnusable(KrustletError):
    """The result has nowhere to go."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(
            f"cannot write to stdout: {cause.strerror}",
            hint="if nobody is to read it, send it to /dev/null",
        )


def settle() -> None:
    """Have three streams that behave as this module says. For the rest of the process."""
    for number, flags in _USELESS.items():
        _fill(number, flags)
    if sys.stdin is None:
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _text(_Result(_STDOUT, "w", closefd=False), like=sys.stdout)
    sys.stderr = _text(_Aside(_STDERR, "w", closefd=False), like=sys.stderr, by_line=True)


def write_all(descriptor: int, data: Any) -> None:
    """Write all of `data`, however long that takes.

    Raises:
        OSError: it cannot be written.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever shares the stream with us made it so
            select.select([], [descriptor], [])


def write_result(data: Any) -> None:
    """Write all of `data` to stdout, past its buffer.

    Raises:
        ReaderGone: nobody reads it.
        StdoutUnusable: it cannot be written.
    """
    try:
        write_all(_STDOUT, data)
    except BrokenPipeError as exc:
        raise ReaderGone from exc
    except OSError as exc:
        raise StdoutUnusable(exc) from exc


class _Result(io.FileIO):
    """Raises once; after that, what is left in buffers goes nowhere, at exit at the latest."""

    _is_lost = False

    def write(self, data: Any) -> int:
        if not self._is_lost:
            try:
                write_result(data)
            except (ReaderGone, StdoutUnusable):
                self._is_lost = True
                raise
        return memoryview(data).nbytes


class _Aside(io.FileIO):
    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):  # there is no other place to say it
            write_all(self.fileno(), data)
        return memoryview(data).nbytes


def _fill(number: int, flags: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, flags)
        assert opened == number  # those before it are taken
        os.set_inheritable(opened, True)


def _text(raw: io.FileIO, *, like: TextIO | None, by_line: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like else "utf-8",
        errors=like.errors if like else "backslashreplace",
        line_buffering=by_line or raw.isatty(),
    )
