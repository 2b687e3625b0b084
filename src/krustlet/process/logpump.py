"""Carry what containers print into log files of the CRI format.

Owns the log files while their containers run. A process of its own, forked by the supervisor, so
that a chatty guest delays no start and no stop. It holds no state worth keeping: the supervisor
keeps the pipes' read ends too, and hands them to the next pump if this one dies.
"""

import os
import selectors
import signal
import socket
import time
from typing import Final, NoReturn

from krustlet.process.messages import Drained, Pump, close_all, receive, send
from krustlet.process.notes import note

_CHUNK_BYTES: Final = 64 * 1024  # what a pipe holds
_LONGEST_LINE_BYTES: Final = 16 * 1024  # containerd's limit too; longer ones are tagged partial
_UMASK: Final = 0o022  # other programs of this node collect logs
_FULL: Final = b"F"
_PARTIAL: Final = b"P"
_STREAMS: Final = (b"stdout", b"stderr")


def main(supervisor: socket.socket) -> NoReturn:
    """Serve `supervisor` until it is gone and all pipes have ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # ends with the supervisor, not with its terminal
    os.umask(_UMASK)
    LogPump(supervisor).run()
    os._exit(0)


class LogPump:
    """One loop over all pipes; each gets one read a round, so that none starves the others."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._selector = selectors.DefaultSelector()
        self._supervised = True

    def run(self) -> None:
        self._selector.register(self._supervisor, selectors.EVENT_READ, None)
        while self._supervised or self._selector.get_map():
            for key, _ in self._selector.select():
                if isinstance(key.data, Stream):
                    self._carry(key.data)
                else:
                    self._obey()

    def _obey(self) -> None:
        received = receive(self._supervisor)
        if received is None:
            self._supervised = False
            self._selector.unregister(self._supervisor)
            return
        message, descriptors = received
        if not isinstance(message, Pump):
            raise TypeError(f"a log pump was told {message!r}")
        if len(descriptors) != len(_STREAMS):
            close_all(descriptors)
            raise TypeError(f"{len(descriptors)} pipes came with {message!r}")
        log = Log(message.id, message.log)
        for name, descriptor in zip(_STREAMS, descriptors, strict=True):
            stream = Stream(descriptor, name, log)
            self._selector.register(descriptor, selectors.EVENT_READ, stream)

    def _carry(self, stream: "Stream") -> None:
        chunk = os.read(stream.descriptor, _CHUNK_BYTES)
        if chunk:
            stream.log.write(stream.split(chunk))
            return
        stream.log.write(stream.rest())
        self._selector.unregister(stream.descriptor)
        os.close(stream.descriptor)
        stream.log.streams -= 1
        if stream.log.streams == 0:
            stream.log.close()
            if self._supervised:
                self._tell(Drained(stream.log.id))

    def _tell(self, message: Drained) -> None:
        try:
            send(self._supervisor, message)
        except (BrokenPipeError, ConnectionResetError):
            self._supervised = False


class Log:
    """A log file. What cannot be written is dropped: a full disk must not stop the guests."""

    def __init__(self, container_id: str, path: str) -> None:
        self.id = container_id
        self.streams = len(_STREAMS)
        self._path = path
        self._descriptor: int | None = None
        self._torn = False
        self._complained = False
        self.write(b"")  # a container that prints nothing has a log, too

    def write(self, data: bytes) -> None:
        """Append whole lines. Where that fails in the middle of one, the next begins on its own."""
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            if self._torn and data:
                data = b"\n" + data
            while data:
                written = os.write(self._descriptor, data)
                self._torn = not data.endswith(b"\n", 0, written)
                data = data[written:]
        except OSError as exc:
            if not self._complained:
                self._complained = True
                note(f"the log of {self.id} loses lines: {exc}")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _open(self) -> int:
        os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o640)
        # Our predecessor may have been killed in the middle of a line.
        size = os.lseek(descriptor, 0, os.SEEK_END)
        self._torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        return descriptor


class Stream:
    """One pipe, and the beginning of a line whose end has not come yet."""

    def __init__(self, descriptor: int, name: bytes, log: Log) -> None:
        self.descriptor = descriptor
        self.log = log
        self._name = name
        self._begun = b""

    def split(self, chunk: bytes) -> bytes:
        """The log lines that `chunk` completes."""
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        entries = self._entries(lines) if lines else b""
        if len(self._begun) > _LONGEST_LINE_BYTES:
            *pieces, self._begun = _pieces(self._begun)
            entries += b"".join(self._partial(piece) for piece in pieces)
        return entries

    def rest(self) -> bytes:
        """The last line, when the stream ended in the middle of it."""
        begun, self._begun = self._begun, b""
        return self._partial(begun) if begun else b""

    def _entries(self, lines: list[bytes]) -> bytes:
        head = self._head(_FULL)
        if max(map(len, lines)) <= _LONGEST_LINE_BYTES:
            return head + (b"\n" + head).join(lines) + b"\n"
        entries = []
        for line in lines:
            *pieces, last = _pieces(line)
            entries += [self._partial(piece) for piece in pieces]
            entries.append(head + last + b"\n")
        return b"".join(entries)

    def _partial(self, piece: bytes) -> bytes:
        return self._head(_PARTIAL) + piece + b"\n"

    def _head(self, tag: bytes) -> bytes:
        return timestamp(time.time_ns()) + b" " + self._name + b" " + tag + b" "


def _pieces(line: bytes) -> list[bytes]:
    """`line` cut into what fits an entry; one piece at least."""
    starts = range(0, max(len(line), 1), _LONGEST_LINE_BYTES)
    return [line[start : start + _LONGEST_LINE_BYTES] for start in starts]


def timestamp(at_ns: int) -> bytes:
    """RFC 3339 in UTC with nine digits always, so that lines sort as text."""
    seconds, nanoseconds = divmod(at_ns, 1_000_000_000)
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return b"%s.%09dZ" % (when.encode("ascii"), nanoseconds)
