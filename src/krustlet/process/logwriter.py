"""Write a log file, and begin it anew when it has grown enough.

Owns one log's files while the container runs. What is done with stays as it is: to compress it
would take the time of all other logs, and whoever follows this one could not go on reading.
"""

import contextlib
import os
import stat
import time
from typing import Final

from krustlet.process.loglines import remark
from krustlet.process.lognames import next_name, rotated
from krustlet.process.notes import note

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o755
_UNLIMITED: Final = float("inf")


class Log:
    """A log. What cannot be written is dropped: a full disk must not stop the guests.

    How much was dropped is said in the log itself, once it can be written again.
    """

    def __init__(self, container_id: str, path: str, *, max_bytes: int, max_files: int) -> None:
        """Open the file, if that can be done already.

        Args:
            container_id: whose log it is, for those who read of its troubles.
            path: the file's; its directory is made if absent.
            max_bytes: the file is begun anew when it has this size or more; 0 or less: never.
            max_files: so many are kept, the one that is written among them.
        """
        self._id = container_id
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max(max_files, 1)
        self._descriptor = -1
        self._size = 0
        self._rotates_at = _UNLIMITED
        self._torn = False
        self._lost_bytes = 0
        self._trouble = ""
        self.write(b"")  # a container that prints nothing has a log, too

    def write(self, entries: bytes) -> None:
        """Append whole lines. Where that fails in the middle of one, the next begins on its own."""
        try:
            if self._descriptor < 0:
                self._open()
        except OSError as exc:
            self._lose(entries, exc)
            return
        if self._lost_bytes and not self._tell_loss():
            self._lost_bytes += len(entries)
            return
        self._append(entries)
        if self._size >= self._rotates_at and not self._torn:
            self._begin_anew()

    def close(self) -> None:
        """Nothing more comes."""
        if self._lost_bytes:
            self.write(b"")
        if self._lost_bytes:
            note(f"the log of {self._id} lacks {self._lost_bytes} bytes for good")
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # what is lost -----------------------------------------------------------------------------

    def _append(self, entries: bytes) -> bool:
        """Whether all of `entries` was written."""
        if self._torn and entries:
            entries = b"\n" + entries
        try:
            while entries:
                written = os.write(self._descriptor, entries)
                self._torn = not entries.endswith(b"\n", 0, written)
                self._size += written
                entries = entries[written:]
        except OSError as exc:
            self._lose(entries, exc)
            return False
        return True

    def _lose(self, entries: bytes, why: OSError) -> None:
        self._lost_bytes += len(entries)
        trouble = why.strerror or str(why)
        if not self._trouble:
            note(f"the log of {self._id} loses lines: {trouble}")
        self._trouble = trouble

    def _tell_loss(self) -> bool:
        """Say in the log what it lacks, if it can be written again."""
        lost, why = self._lost_bytes, self._trouble
        self._lost_bytes = 0
        told = self._append(remark(f"{lost} bytes of this log could not be written: {why}"))
        if not told:
            self._lost_bytes = lost  # what could not be told of it is no loss of the container's
            return False
        self._trouble = ""
        note(f"the log of {self._id} is written again; {lost} bytes are lost")
        return True

    # files ------------------------------------------------------------------------------------

    def _open(self) -> None:
        os.makedirs(os.path.dirname(self._path), _DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(self._path, _FLAGS, _MODE)
        found = os.fstat(descriptor)
        # Our predecessor may have been killed in the middle of a line.
        size = found.st_size
        self._torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        self._descriptor, self._size = descriptor, size
        has_limit = self._max_bytes > 0 and stat.S_ISREG(found.st_mode)
        self._rotates_at = self._max_bytes if has_limit else _UNLIMITED

    def _begin_anew(self) -> None:
        """Go on in a new file. Where that is impossible, go on in this one, and try again later.

        Killed in the middle of it, it leaves a file too many, or none that has the log's name yet;
        the next pump makes that good.
        """
        try:
            older = rotated(self._path)
            done = next_name(self._path, older[-1] if older else "", time.time())
            self._replace(done)
            for path in [*older, done][: -(self._max_files - 1) or None]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
        except OSError as exc:
            note(f"the log of {self._id} is not begun anew as it should be: {exc}")
            self._rotates_at = self._size + self._max_bytes

    def _replace(self, done: str) -> None:
        """Name the file `done`, and open another in its place: both, or nothing."""
        old = self._descriptor
        with contextlib.suppress(
            FileNotFoundError
        ):  # somebody took it away: it is new all the same
            os.rename(self._path, done)
        try:
            self._open()
        except OSError:
            os.rename(done, self._path)
            raise
        os.close(old)
