"""The files of a log as one, for somebody who reads it while it is written and begun anew.

Owns the files that he has not read to their end: they are open, so that they are there for him
though the pump may have removed them. Who follows a log and is slower than its pump by all the
files that are kept, misses what he had not come to.
"""

import contextlib
import os
from io import FileIO
from pathlib import Path
from typing import Final, Self

import structlog

from krustlet.process.lognames import rotated

_TRIES: Final = 10  # to see a log as it is, while it is begun anew again and again
_CLOCK_NS: Final = 1_000_000_000  # how far the time of a file may be behind what is written in it

log = structlog.get_logger(__name__)


class LogFiles:
    """Reads on from one file to the next; opened by `open`, again if there was none yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: list[FileIO] = []  # the first is the one that is read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._files)

    def open(self) -> bool:
        """Whether there is a log; it is read from its beginning then, or where reading has come.

        Raises:
            OSError: it cannot be opened.
        """
        if not self._files:
            self._files = _files_since(self._path, None)
        return bool(self._files)

    def left(self) -> int:
        """How many bytes there are to be read by now."""
        return sum(map(_size, self._files)) - self._files[0].tell()

    def pread(self, length: int, offset: int) -> bytes:
        """So many bytes, or fewer at the end; nothing has been read, nor is it by this."""
        parts = []
        for file in self._files:
            size = _size(file)
            if offset < size and length > 0:
                parts.append(os.pread(file.fileno(), length, offset))
                length -= len(parts[-1])
            offset = max(offset - size, 0)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Leave out the first `count` bytes, of which nothing has been read."""
        while len(self._files) > 1 and count >= (size := _size(self._files[0])):
            count -= size
            self._files.pop(0).close()
        self._files[0].seek(count)

    def skip_older(self, since_ns: int) -> None:
        """Leave out files in which nothing was written since then."""
        while len(self._files) > 1 and _written_ns(self._files[0]) < since_ns - _CLOCK_NS:
            self._files.pop(0).close()

    def read(self, most: int) -> bytes:
        """The next `most` bytes or fewer; none at the end of all that is open."""
        while True:
            chunk: bytes = self._files[0].read(most)
            if chunk or len(self._files) == 1:
                return chunk
            self._files.pop(0).close()

    def look_on(self) -> bool:
        """Whether the log has been begun anew since; `read` goes on there.

        To be asked when `read` has come to the end, and `read` again as long as it says yes: what
        was written before the log was begun anew may have been written after that end was seen.
        """
        last = self._files[-1]
        if _is_at(self._path, last):
            return False
        newer = _files_since(self._path, last)
        self._files += newer
        return bool(newer)


def has_log(path: Path) -> bool:
    """Whether anything is there of a log, be it only what was done with."""
    return path.exists() or bool(_done_with(path))


def remove_log(path: Path) -> None:
    """Remove a log that nobody writes, and what was done with of it; none is fine, too.

    Raises:
        OSError: it cannot be removed.
    """
    for name in (*_done_with(path), str(path)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _files_since(path: Path, known: FileIO | None) -> list[FileIO]:
    """The files of a log that were begun after `known`, oldest first; without it, all."""
    for _ in range(_TRIES - 1):
        files, is_certain = _look(path, known)
        if is_certain:
            return files
        _close(files)
    return _look(path, known)[0]


def _look(path: Path, known: FileIO | None) -> tuple[list[FileIO], bool]:
    """What is there, and whether that is all: the log may be begun anew at any time in between."""
    current = _open(path)
    if current is not None and known is not None and _is_same(current, known):
        current.close()
        return [], True
    files, has_current = _done_with_before(path, current)
    # One that lost its name before we looked may even have been removed, and others with it.
    is_certain = current is None or has_current or _is_at(path, current)
    if current is not None:
        files.append(current)
    if known is None or not is_certain:
        return files, is_certain
    at = next((i for i, file in enumerate(files) if _is_same(file, known)), -1)
    if at < 0:
        log.warning("logs.read_too_slowly", path=str(path))
    _close(files[: at + 1])
    return files[at + 1 :], True


def _done_with_before(path: Path, current: FileIO | None) -> tuple[list[FileIO], bool]:
    """What was done with, oldest first; up to `current`, if it has been done with since."""
    files: list[FileIO] = []
    for name in _done_with(path):
        if (file := _open(Path(name))) is None:
            continue  # removed since, as everything older
        if current is not None and _is_same(file, current):
            file.close()
            return files, True
        files.append(file)
    return files, False


def _done_with(path: Path) -> list[str]:
    try:
        return rotated(str(path))
    except FileNotFoundError:
        return []


def _open(path: Path) -> FileIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None


def _close(files: list[FileIO]) -> None:
    for file in files:
        file.close()


def _size(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _written_ns(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_mtime_ns


def _is_same(one: FileIO, other: FileIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def _is_at(path: Path, file: FileIO) -> bool:
    """Whether the file still has that name; while none has, it may yet be given back to it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return True
