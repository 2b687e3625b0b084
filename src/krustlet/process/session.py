"""The kubelet's ends of the streams of one process, and word of its end.

A session is of a process that was executed for it, or of a container that somebody attached to.
"""

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from krustlet.process.messages import close_all

_CHUNK_BYTES: Final = 64 * 1024  # what a pipe holds
_END_OF_TRANSMISSION: Final = b"\x04"
_STDOUT: Final = "stdout"
_STDERR: Final = "stderr"


class ProcessSession:
    """Streams that are read and written without waiting for anybody but their other ends."""

    def __init__(
        self,
        *,
        outputs: dict[str, int],
        terminal: int | None,
        types: bool = True,
        ended: "asyncio.Future[int]",
        on_closed: Callable[[], None],
        on_input_ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what it is given: all descriptors are the session's, which closes them.

        Args:
            outputs: what to read, by `stdout` and `stderr`; a terminal is its own stdout.
            terminal: where to type, if this session `types`, and what has a size.
            ended: to be done with the exit code.
            on_closed: called once, when nobody is interested any more.
            on_input_ended: called when a pipe that others hold open, too, is not typed into any
                more.
        """
        self._outputs = outputs
        self._terminal = terminal
        self._input: int | None = terminal if types else None
        self._ended = ended
        self._on_closed = on_closed
        self._on_input_ended = on_input_ended
        self._is_open = True
        self._waiting: dict[asyncio.Future[None], Callable[[], object]] = {}  # how to stop watching
        for descriptor in self._all():
            os.set_blocking(descriptor, False)

    def type_into(self, descriptor: int) -> None:
        """From now on what is written goes there: a pipe."""
        os.set_blocking(descriptor, False)
        self._input = descriptor

    async def read(self, stream: str) -> bytes:
        """See `krustlet.provider.Session`."""
        if (descriptor := self._outputs.get(stream)) is None:
            return b""
        while self._is_open:
            try:
                return os.read(descriptor, _CHUNK_BYTES)
            except BlockingIOError:
                await self._until_readable(descriptor)
            except OSError as exc:
                if exc.errno != errno.EIO:  # a terminal that nobody has open any more
                    raise
                return b""
        return b""

    async def write(self, data: bytes) -> None:
        """See `krustlet.provider.Session`."""
        view = memoryview(data)
        while view and self._input is not None:
            try:
                view = view[os.write(self._input, view) :]
            except BlockingIOError:
                await self._until_writable(self._input)
            except OSError as exc:
                if exc.errno not in (errno.EPIPE, errno.EIO):  # nobody reads any more
                    raise
                return

    def end_input(self) -> None:
        """Nothing more is typed. A terminal is told so; that it has ended is for it to say."""
        if self._input is None:
            return  # also while somebody writes: nobody does both at once
        if self._input == self._terminal:  # closed with the rest
            with suppress(OSError):  # full, or nobody there
                os.write(self._input, _END_OF_TRANSMISSION)
        else:
            os.close(self._input)
            self._on_input_ended()
        self._input = None

    def resize(self, *, columns: int, rows: int) -> None:
        """See `krustlet.provider.Session`."""
        if self._terminal is not None and self._is_open:
            size = struct.pack("4H", rows, columns, 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    async def wait(self) -> int:
        """See `krustlet.provider.Session`."""
        return await asyncio.shield(self._ended)

    def close(self) -> None:
        """Let go of everything."""
        if not self._is_open:
            return
        self._is_open = False
        waiting, self._waiting = self._waiting, {}
        for ready, stop_watching in waiting.items():
            stop_watching()  # while the number is still this descriptor's
            _done(ready)
        descriptors, self._outputs, self._input, self._terminal = self._all(), {}, None, None
        close_all(descriptors)
        self._on_closed()

    async def _until_readable(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(descriptor, _done, ready)
        await self._until(ready, lambda: loop.remove_reader(descriptor))

    async def _until_writable(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_writer(descriptor, _done, ready)
        await self._until(ready, lambda: loop.remove_writer(descriptor))

    async def _until(
        self, ready: "asyncio.Future[None]", stop_watching: Callable[[], object]
    ) -> None:
        self._waiting[ready] = stop_watching
        try:
            await ready
        finally:
            if self._waiting.pop(ready, None) is not None:
                stop_watching()

    def _all(self) -> set[int]:
        ends = {*self._outputs.values(), self._input, self._terminal}
        return {descriptor for descriptor in ends if descriptor is not None}


class Ends:
    """The streams of a process that is about to be: our ends, and its own.

    Used as `with`: its own are closed when the block is left, and ours, too, unless `kept`.
    """

    def __init__(self, *, stdin: bool, tty: bool) -> None:
        self.outputs: dict[str, int] = {}
        self.terminal: int | None = None
        self.input: int | None = None
        self.theirs: list[int] = []
        self._ours: list[int] = []
        try:
            if tty:
                self._open_terminal()
            else:
                self._open_pipes(stdin=stdin)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Ends":
        return self

    def __exit__(self, *_: object) -> None:
        close_all(self.theirs + self._ours)
        self.theirs, self._ours = [], []

    def kept(self) -> None:
        """Ours are somebody else's from now on."""
        self._ours = []

    def _open_terminal(self) -> None:
        ours, theirs = os.openpty()
        self._ours, self.theirs = [ours], [theirs]
        self.terminal = self.outputs[_STDOUT] = ours

    def _open_pipes(self, *, stdin: bool) -> None:
        if stdin:
            read, self.input = os.pipe2(os.O_CLOEXEC)
            self._ours.append(self.input)
        else:
            read = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.theirs.append(read)
        for name, end in zip(
            (_STDOUT, _STDERR), output_pipes(self._ours, self.theirs), strict=True
        ):
            self.outputs[name] = end


def output_pipes(ours: list[int], theirs: list[int]) -> tuple[int, int]:
    """Two pipes to read from, noted at each side; returns the ends to read."""
    ends = []
    for _ in range(2):
        read, write = os.pipe2(os.O_CLOEXEC)
        ours.append(read)
        theirs.append(write)
        ends.append(read)
    return ends[0], ends[1]


def _done(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
