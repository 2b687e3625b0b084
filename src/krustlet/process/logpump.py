"""Carry what containers print into log files of the CRI format.

Owns the log files while their containers run. A process of its own, forked by the supervisor, so
that a chatty guest delays no start and no stop. It holds no state worth keeping: the supervisor
keeps the pipes' read ends too, and hands them to the next pump if this one dies.
"""

import os
import selectors
import signal
import socket
import sys
import time
from typing import Final, NoReturn

from krustlet.process.messages import Drained, Pump, receive, send

_CHUNK_BYTES: Final = 64 * 1024  # what a pipe holds
_LONGEST_LINE_BYTES: Final = 16 * 1024  # containerd's limit too; longer ones are tagged partial
_FULL: Final = b"F"
_PARTIAL: Final = b"P"


def main(supervisor: socket.socket) -> NoReturn:
    """Serve `supervisor` until it is gone and all pipes have ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # ends with the supervisor, not with its terminal
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
                if isinstance(key.data, _Stream):
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
        log = Log(message.id, message.log)
        for name, descriptor in zip((b"stdout", b"stderr"), descriptors, strict=True):
            stream = _Stream(descriptor, name, log)
            self._selector.register(descriptor, selectors.EVENT_READ, stream)

    def _carry(self, stream: "_Stream") -> None:
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
        self.streams = 2
        self._path = path
        self._complained = False
        self._descriptor = self._open()

    def write(self, data: bytes) -> None:
        while data and self._descriptor is not None:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError as exc:
                self._complain(exc)
                return

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _open(self) -> int | None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
            return os.open(self._path, flags, 0o640)
        except OSError as exc:
            self._complain(exc)
            return None

    def _complain(self, exc: OSError) -> None:
        if not self._complained:
            self._complained = True
            print(f"log of {self.id} loses lines: {exc}", file=sys.stderr, flush=True)


class _Stream:
    """One pipe, and the beginning of a line whose end has not come yet."""

    def __init__(self, descriptor: int, name: bytes, log: Log) -> None:
        self.descriptor = descriptor
        self.log = log
        self._name = name
        self._begun = b""

    def split(self, chunk: bytes) -> bytes:
        """The log lines that `chunk` completes."""
        chunk = self._begun + chunk
        end = chunk.rfind(b"\n") + 1
        self._begun = chunk[end:]
        lines = b""
        if end:
            head = self._head(_FULL)
            lines = head + chunk[: end - 1].replace(b"\n", b"\n" + head) + b"\n"
        while len(self._begun) >= _LONGEST_LINE_BYTES:
            piece, self._begun = (
                self._begun[:_LONGEST_LINE_BYTES],
                self._begun[_LONGEST_LINE_BYTES:],
            )
            lines += self._head(_PARTIAL) + piece + b"\n"
        return lines

    def rest(self) -> bytes:
        """The last line, when the stream ended in the middle of it."""
        begun, self._begun = self._begun, b""
        return self._head(_PARTIAL) + begun + b"\n" if begun else b""

    def _head(self, tag: bytes) -> bytes:
        return timestamp(time.time_ns()) + b" " + self._name + b" " + tag + b" "


def timestamp(at_ns: int) -> bytes:
    """RFC 3339 in UTC with nine digits always, so that lines sort as text."""
    seconds, nanoseconds = divmod(at_ns, 1_000_000_000)
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return b"%s.%09dZ" % (when.encode("ascii"), nanoseconds)
