"""Show what containers print, as they print it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from krustlet.cli.streams import ReaderGone, StdoutUnusable, write_all
from krustlet.cli.words import coloured
from krustlet.process import LogEntry, follow_log

_COLOURS: Final = ("36", "33", "32", "35", "34", "31")


class Output:
    """Copies container logs to this process' own streams, in the order of each log.

    Lines are prefixed with the container they come from where there are several. Writing happens
    in a thread: a slow reader slows the guests down, not the kubelet.
    """

    def __init__(
        self, labels: Sequence[str], *, stdout: TextIO, stderr: TextIO, needed: TextIO
    ) -> None:
        """Keep what it is given.

        Args:
            labels: one a container; a single one is not shown.
            stdout: where the guests' stdout goes.
            stderr: where their stderr goes.
            needed: the one of which nothing may be lost; another that is closed or full is done
                without.
        """
        self._streams: dict[str, TextIO] = {"stdout": stdout, "stderr": stderr}
        self._needed = needed
        self._labels = list(labels)
        self._width = max(map(len, labels), default=0)
        self._turn = asyncio.Lock()

    async def follow(self, label: str, log: Path, *, ended: asyncio.Event) -> None:
        """Show all of one log, until `ended` is set and it has been shown.

        Raises:
            ReaderGone: nobody reads it.
            StdoutUnusable: it cannot be written.
            OSError: the log cannot be read.
        """
        at_line_start = dict.fromkeys(self._streams, True)
        async for entries in follow_log(log, ended=ended):
            async with self._turn:
                await asyncio.to_thread(self._show, label, entries, at_line_start)

    def _show(self, label: str, entries: list[LogEntry], at_line_start: dict[str, bool]) -> None:
        pieces: dict[str, list[bytes]] = {}
        for entry in entries:
            text = entry.text
            if at_line_start[entry.stream]:
                text = self._prefix(label, self._streams[entry.stream]) + text
            at_line_start[entry.stream] = text.endswith(b"\n")
            pieces.setdefault(entry.stream, []).append(text)
        for stream, texts in pieces.items():
            self._write(self._streams[stream], b"".join(texts))

    def _prefix(self, label: str, stream: TextIO) -> bytes:
        if len(self._labels) <= 1:
            return b""
        colour = _COLOURS[self._labels.index(label) % len(_COLOURS)]
        return coloured(f"{label:<{self._width}} | ", colour, stream).encode()

    def _write(self, stream: TextIO, data: bytes) -> None:
        try:
            write_all(stream.fileno(), data)
        except BrokenPipeError as exc:
            raise ReaderGone from exc
        except OSError as exc:
            if stream is self._needed:
                raise StdoutUnusable(exc) from exc
