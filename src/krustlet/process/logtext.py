"""Turn the entries of a log back into what the container printed, as somebody asked for it. Pure.

Source: kubernetes staging/src/k8s.io/cri-client/pkg/logs/logs.go; other than there, what one
stream prints into the other's unfinished line comes after that line, not in the middle of it.
"""

import contextlib
import re
from typing import Final

import msgspec

from krustlet.process.logfile import LogEntry, parse_entry
from krustlet.process.loglines import timestamp

_HELD_BYTES: Final = 256 * 1024
_LONGEST_ENTRY_BYTES: Final = 1024 * 1024  # many times what the pump writes
# An entry as the pump writes it: time, blank, stream, blank, tag, blank. Nothing else is quick.
_TIME_BYTES: Final = 30
_TEXT_AT: Final = 40
_STREAM: Final = slice(31, 37)
_HEAD: Final = slice(_TIME_BYTES, _TEXT_AT)
_HEADS_OF_FULL: Final = frozenset((b" stdout F ", b" stderr F "))
_FULL_ENTRY: Final = re.compile(rb"^[^ \n]{30} std(?:out|err) F ([^\n]*\n)", re.MULTILINE)


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a log, and how it is shown.

    Attributes:
        tail_lines: only so many whole lines from the end, and what comes later.
        since_ns: only what was printed since then, in nanoseconds of the Unix epoch.
        timestamps: begin each line with its time.
        limit_bytes: stop after so many, wherever that is.
        stream: only `stdout`, or only `stderr`; empty means both.
    """

    tail_lines: int | None = None
    since_ns: int | None = None
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = ""


class LogText:
    """Takes a log in chunks of any size, and gives the text of what is complete."""

    def __init__(self, options: LogOptions, *, skip_lines: int = 0) -> None:
        self._since = timestamp(max(options.since_ns, 0)) if options.since_ns is not None else b""
        self._timestamps = options.timestamps
        self._stream = options.stream
        self._skip_lines = skip_lines
        self._begun = b""  # an entry
        self._open = ""  # the stream whose line is unfinished
        self._held: list[LogEntry] = []  # of the other one
        self._held_bytes = 0
        self._skipping: dict[str, bool] = {}  # whether a stream's unfinished line is left out

    @property
    def holds(self) -> bool:
        """Whether something waits for the end of another stream's line."""
        return bool(self._held)

    def add(self, chunk: bytes) -> bytes:
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._begin(self._begun + chunk)
            return b""
        entries = self._begun + chunk[:end]
        self._begin(chunk[end:])
        quick = None if self._open or self._skip_lines else self._quickly(entries)
        return self._carefully(entries) if quick is None else quick

    def release(self) -> bytes:
        """What was held back; the line it waited for is broken off, as nothing came for long."""
        out: list[bytes] = []
        self._let_go(out, broken=True)
        return b"".join(out)

    def _begin(self, entry: bytes) -> None:
        self._begun = entry if len(entry) <= _LONGEST_ENTRY_BYTES else b""  # no entry of ours

    # many at once -----------------------------------------------------------------------------

    def _quickly(self, entries: bytes) -> bytes | None:
        """The text of `entries` if all are whole lines as the pump writes them, else None."""
        if not (self._since or self._stream or self._timestamps):
            texts: list[bytes] = _FULL_ENTRY.findall(entries)
            return b"".join(texts) if len(texts) == entries.count(b"\n") else None
        lines = entries.split(b"\n")
        lines.pop()
        if not {line[_HEAD] for line in lines} <= _HEADS_OF_FULL:
            return None
        if since := self._since:
            lines = [line for line in lines if line[:_TIME_BYTES] >= since]
        if self._stream:
            stream = self._stream.encode()
            lines = [line for line in lines if line[_STREAM] == stream]
        if self._timestamps:
            texts = [line[: _TIME_BYTES + 1] + line[_TEXT_AT:] for line in lines]
        else:
            texts = [line[_TEXT_AT:] for line in lines]
        texts.append(b"")
        return b"\n".join(texts)

    # one by one -------------------------------------------------------------------------------

    def _carefully(self, entries: bytes) -> bytes:
        out: list[bytes] = []
        for line in entries.split(b"\n")[:-1]:
            with contextlib.suppress(ValueError):  # torn
                self._take(parse_entry(line), out)
        return b"".join(out)

    def _take(self, entry: LogEntry, out: list[bytes]) -> None:
        if self._stream not in ("", entry.stream):
            return
        if self._open and entry.stream != self._open:
            self._held.append(entry)
            self._held_bytes += len(entry.text)
            if self._held_bytes > _HELD_BYTES:
                self._let_go(out, broken=True)
            return
        begins, ends = not self._open, entry.text.endswith(b"\n")
        self._open = "" if ends else entry.stream
        if begins:
            self._skipping[entry.stream] = self._is_skipped(entry)
        if not self._skipping[entry.stream]:
            out.append(
                entry.time + b" " + entry.text if begins and self._timestamps else entry.text
            )
        if ends and self._held:
            self._let_go(out, broken=False)

    def _is_skipped(self, entry: LogEntry) -> bool:
        """Whether the line that begins with `entry` was not asked for."""
        if self._skip_lines:
            self._skip_lines -= 1
            return True
        return entry.time < self._since

    def _let_go(self, out: list[bytes], *, broken: bool) -> None:
        if not self._held:
            return
        if broken and self._open:
            if not self._skipping[self._open]:
                out.append(b"\n")
            self._open = ""
        held, self._held, self._held_bytes = self._held, [], 0
        for entry in held:
            self._take(entry, out)
