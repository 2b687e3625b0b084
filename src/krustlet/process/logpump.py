"""Carry what containers print into log files of the CRI format, and to who is attached.

A process of its own, forked by the supervisor, so that a chatty guest delays no start and no stop.
It holds no state worth keeping: the supervisor keeps the pipes' read ends too, and hands them to
the next pump if this one dies. Who was attached sees the end then.
"""

import contextlib
import errno
import os
import selectors
import signal
import socket
from collections.abc import Sequence
from typing import Final, NoReturn

from krustlet.process.logcopies import Copy
from krustlet.process.loglines import Lines
from krustlet.process.logwriter import Log
from krustlet.process.messages import AnyMessage, Drained, Pump, Tee, close_all, receive, send
from krustlet.process.notes import note

_CHUNK_BYTES: Final = 64 * 1024  # what a pipe holds
_OPENING_BYTES: Final = 64 * 1024  # a screen or two
_UMASK: Final = 0o022  # other programs of this node collect logs
_STREAMS: Final = (b"stdout", b"stderr")


def main(supervisor: socket.socket) -> NoReturn:
    """Serve `supervisor` until it is gone and all pipes have ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # ends with the supervisor, not with its terminal
    os.umask(_UMASK)
    LogPump(supervisor).run()
    os._exit(0)  # and let go of whoever has not read yet what he was to get


class Stream:
    """A pipe or a terminal that a container prints to, and where that goes."""

    def __init__(self, container_id: str, descriptor: int, lines: Lines, log: Log) -> None:
        self.container_id = container_id
        self.descriptor = descriptor
        self.lines = lines
        self.log = log
        self.copies: list[Copy] = []
        self._opening = bytearray() if lines.is_terminal else None

    def read(self) -> bytes | None:
        """What was printed; empty at the end, None if there is nothing after all."""
        try:
            return os.read(self.descriptor, _CHUNK_BYTES)
        except BlockingIOError:  # whoever types into a terminal does not want to wait
            return None
        except OSError as exc:
            if exc.errno != errno.EIO:  # which is how a terminal ends
                note(f"the output of {self.container_id} cannot be read: {exc}")
            return b""

    def take(self, chunk: bytes) -> None:
        self.log.write(self.lines.split(chunk))
        if self._opening is not None:
            self._opening += chunk[: _OPENING_BYTES - len(self._opening)]
        if self.copies:
            for copy in self.copies:
                copy.add(chunk)
            self.copies = [copy for copy in self.copies if copy.is_open]

    def copy_to(self, copy: Copy) -> None:
        """Pass on what is printed from now on. Who comes first to a terminal sees its beginning:
        he who started the container to talk with it had no way to be there sooner."""
        self.copies.append(copy)
        if self._opening is not None:
            copy.add(bytes(self._opening))
            self._opening = None

    def end(self) -> None:
        self.log.write(self.lines.rest())
        for copy in self.copies:
            copy.end()
        os.close(self.descriptor)


class LogPump:
    """One loop over all pipes; each gets one read a round, so that none starves the others."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._selector = selectors.DefaultSelector()
        self._supervised = True
        self._streams: dict[str, list[Stream | None]] = {}  # of each container; None has ended

    def run(self) -> None:
        self._supervisor.setblocking(False)
        self._selector.register(self._supervisor, selectors.EVENT_READ, None)
        while self._supervised or self._streams:
            for key, events in self._selector.select():
                if isinstance(key.data, Stream):
                    self._carry(key.data)
                elif isinstance(key.data, Copy):
                    key.data.serve(events)
                else:
                    self._obey()

    def close(self) -> None:
        """Let go of those who have not read what they were to get."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Copy):
                key.data.close()
        self._selector.close()

    def _obey(self) -> None:
        """Do all that was said until now."""
        while self._supervised:
            try:
                received = receive(self._supervisor)
            except BlockingIOError:
                return
            if received is None:
                self._supervised = False
                self._selector.unregister(self._supervisor)
                return
            self._do(*received)

    def _do(self, message: AnyMessage, descriptors: list[int]) -> None:
        if isinstance(message, Pump):
            self._pump(message, descriptors)
        elif isinstance(message, Tee):
            self._tee(message.id, descriptors)
        else:
            close_all(descriptors)
            raise TypeError(f"a log pump was told {message!r}")

    def _pump(self, wanted: Pump, descriptors: Sequence[int]) -> None:
        if not 1 <= len(descriptors) <= len(_STREAMS):
            close_all(descriptors)
            raise TypeError(f"{len(descriptors)} pipes came with {wanted!r}")
        log = Log(wanted.id, wanted.log, max_bytes=wanted.max_bytes, max_files=wanted.max_files)
        streams = self._streams[wanted.id] = []
        is_terminal = len(descriptors) == 1
        for name, descriptor in zip(_STREAMS, descriptors, strict=False):
            lines = Lines(name, is_terminal=is_terminal)
            stream = Stream(wanted.id, descriptor, lines, log)
            streams.append(stream)
            self._selector.register(descriptor, selectors.EVENT_READ, stream)

    def _tee(self, container_id: str, descriptors: Sequence[int]) -> None:
        """Copy each stream to its descriptor; one that has ended has nothing more to tell."""
        streams = self._streams.get(container_id, [])
        for number, descriptor in enumerate(descriptors):
            stream = streams[number] if number < len(streams) else None
            if stream is None:
                os.close(descriptor)
                continue
            try:
                copy = Copy(descriptor, self._selector, container_id=container_id)
            except OSError as exc:
                note(f"the output of {container_id} cannot be copied: {exc}")
                os.close(descriptor)
                continue
            stream.copy_to(copy)

    def _carry(self, stream: Stream) -> None:
        chunk = stream.read()
        self._obey()  # who was attached before this was printed gets it, too
        if chunk is None:
            return
        if chunk:
            stream.take(chunk)
            return
        self._selector.unregister(stream.descriptor)
        stream.end()
        streams = self._streams[stream.container_id]
        streams[streams.index(stream)] = None
        if not any(streams):
            del self._streams[stream.container_id]
            stream.log.close()
            if self._supervised:
                self._tell(Drained(stream.container_id))

    def _tell(self, message: Drained) -> None:
        self._supervisor.setblocking(True)  # it always listens, and has to hear this
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # we shall see its end
                send(self._supervisor, message)
        finally:
            self._supervisor.setblocking(False)
