"""Turn what a container prints into the lines of a CRI log. Pure but for the time.

Lines are cut and tagged as containerd does it: an entry holds 16 KiB at most, all of a line's but
the last are tagged partial, and so is what has no newline when the stream ends. Other than there,
a return before a newline stays, as the container printed it; but for a terminal's, which put it
there itself.

Source: containerd internal/cri/io/logger.go, `redirectLogs`.
"""

import time
from typing import Final

_LONGEST_LINE_BYTES: Final = 16 * 1024  # containerd's `max_container_log_line_size`
_FULL: Final = b"F"
_PARTIAL: Final = b"P"


class Lines:
    """One stream's, and the beginning of a line whose end has not come yet."""

    def __init__(self, stream: bytes, *, is_terminal: bool = False) -> None:
        """Keep what it is given.

        Args:
            stream: `stdout` or `stderr`.
            is_terminal: newlines come as return and newline.
        """
        self._stream = stream
        self.is_terminal = is_terminal
        self._begun = b""

    def split(self, chunk: bytes) -> bytes:
        """The log lines that `chunk` completes."""
        text = self._begun + chunk
        if self.is_terminal:
            text = text.replace(b"\r\n", b"\n")
        *lines, self._begun = text.split(b"\n")
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
        head = _head(self._stream, _FULL)
        if max(map(len, lines)) <= _LONGEST_LINE_BYTES:
            return head + (b"\n" + head).join(lines) + b"\n"
        entries = []
        for line in lines:
            *pieces, last = _pieces(line)
            entries += [self._partial(piece) for piece in pieces]
            entries.append(head + last + b"\n")
        return b"".join(entries)

    def _partial(self, piece: bytes) -> bytes:
        return _head(self._stream, _PARTIAL) + piece + b"\n"


def remark(text: str) -> bytes:
    """A line of our own, among what the container printed."""
    return _head(b"stderr", _FULL) + b"krustlet: " + text.encode() + b"\n"


def _head(stream: bytes, tag: bytes) -> bytes:
    return timestamp(time.time_ns()) + b" " + stream + b" " + tag + b" "


def _pieces(line: bytes) -> list[bytes]:
    """`line` cut into what fits an entry; one piece at least."""
    starts = range(0, max(len(line), 1), _LONGEST_LINE_BYTES)
    return [line[start : start + _LONGEST_LINE_BYTES] for start in starts]


def timestamp(at_ns: int) -> bytes:
    """RFC 3339 in UTC with nine digits always, so that lines sort as text."""
    seconds, nanoseconds = divmod(at_ns, 1_000_000_000)
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return b"%s.%09dZ" % (when.encode("ascii"), nanoseconds)
