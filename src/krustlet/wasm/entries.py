"""Native code on disk: what is there and sound, what is kept, what goes.

Owns the cache's directory, together with other processes that use it at the same time. Loading
native code is running it, so an entry counts only while it is ours, private, and byte for byte
what the compiler wrote for this very engine. Entries are named by the module's digest below a
directory named by the engine's fingerprint; the note beside the code is written last, and code
without a note is nobody's. The time of the note is when the entry was last used.
"""

import contextlib
import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from krustlet.base import Unnamed, lock_directory, make_private_directory, write_atomically
from krustlet.wasm.outcome import Inspection

_CODE: Final = ".cwasm"
_NOTE: Final = ".json"
_PART: Final = ".part"
_PART_AGE_S: Final = 3600.0  # older than any compiler may get: left behind by one that was killed
_KEPT_S: Final = 600.0  # who was told of an entry may take this long to map it
_STAMPED_S: Final = 60.0  # how far behind the time of a note may be
_UNUSED_ENGINE_S: Final = 30 * 24 * 3600.0
_ENGINE: Final = re.compile(r"[0-9a-f]{16}")

log = structlog.get_logger(__name__)


class Note(msgspec.Struct, frozen=True):
    """Vouches for native code, which was made for `engine`."""

    engine: str
    inspection: Inspection


class _Kept(NamedTuple):
    """An entry, of whatever engine."""

    used_at: float
    size_bytes: int
    note: Path


class Entries:
    """The entries for one engine, among those of others."""

    def __init__(self, root: Path, engine: str, *, max_bytes: int) -> None:
        self.directory = root / engine
        self._root = root
        self._engine = engine
        self._max_bytes = max_bytes
        self._verified: dict[Path, tuple[int, int, int]] = {}
        self._found_at: dict[str, float] = {}

    def code(self, digest: str) -> Path:
        """Where the native code of a module is, or would be."""
        return self.directory / f"{digest.removeprefix('sha256:')}{_CODE}"

    def find(self, digest: str) -> Inspection | None:
        """What is known of a module whose native code is here, and sound; it stays for a while."""
        code = self.code(digest)
        note = code.with_suffix(_NOTE)
        try:
            with _open_private(note) as file:
                noted = msgspec.json.decode(file.read(), type=Note)
            self._stamp(note)
            sound = noted.engine == self._engine and self._is_sound(code, noted.inspection)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as exc:
            log.warning("aot.entry_unreadable", digest=digest, error=str(exc))
            return None
        if not sound:
            log.warning("aot.entry_unsound", digest=digest)
            return None
        self._found_at[digest] = time.monotonic()
        return noted.inspection

    def is_at_hand(self, digest: str) -> bool:
        """Whether it was found a moment ago, so that finding it again is a look at two files."""
        return time.monotonic() - self._found_at.get(digest, -_STAMPED_S) < _STAMPED_S

    def prepare(self) -> None:
        """Make the directory.

        Raises:
            OSError: it cannot be, or others than we may write to it.
        """
        make_private_directory(self.directory)
        if not _is_ours(self.directory):
            raise PermissionError(errno.EPERM, "other users may write to it")

    def keep(self, digest: str, output: Unnamed, inspection: Inspection) -> None:
        """Keep what a compiler wrote, in place of whatever was there.

        Raises:
            OSError: there is no room.
        """
        code = self.code(digest)
        output.keep_as(code)
        note = msgspec.json.encode(Note(self._engine, inspection))
        write_atomically(code.with_suffix(_NOTE), note)

    # soundness ------------------------------------------------------------------------------------

    def _is_sound(self, code: Path, inspection: Inspection) -> bool:
        with _open_private(code) as file:
            status = os.fstat(file.fileno())
            if not _is_ours(self.directory) or status.st_size != inspection.code_bytes:
                return False
            seen = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            if self._verified.get(code) != seen:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if inspection.code_digest != f"sha256:{digest}":
                    return False
                self._verified[code] = seen
        return True

    # use and room ---------------------------------------------------------------------------------

    def _stamp(self, note: Path) -> None:
        """Note that it is used; nobody removes it from now on, unless it is gone already."""
        if time.time() - note.lstat().st_mtime > _STAMPED_S:
            with _alone_in(self._root):
                os.utime(note, follow_symlinks=False)

    def sweep(self) -> None:
        """Remove what is left of killed compilers, of engines long gone, and what is too much.

        Of what is too much the least recently used goes first, but nothing that was used in the
        last minutes: somebody may be about to map it. What is mapped does not mind.
        """
        with _alone_in(self._root):
            now = time.time()
            directories = [path for path in self._root.iterdir() if _ENGINE.fullmatch(path.name)]
            kept: list[_Kept] = []
            for directory in directories:
                if directory.is_symlink() or not _is_ours(directory):
                    continue
                entries = [*_entries(directory)]
                if directory != self.directory and _is_unused(directory, entries, now):
                    _remove_engine(directory)
                else:
                    _remove_leftovers(directory, now)
                    kept += entries
            self._make_room(kept, now)

    def _make_room(self, kept: list[_Kept], now: float) -> None:
        size_bytes = sum(entry.size_bytes for entry in kept)
        for entry in sorted(kept):
            if size_bytes <= self._max_bytes or now - entry.used_at < _KEPT_S:
                return
            entry.note.unlink(missing_ok=True)  # first, as code without one is nobody's
            entry.note.with_suffix(_CODE).unlink(missing_ok=True)
            size_bytes -= entry.size_bytes
            log.info("aot.evicted", code=entry.note.stem, size_bytes=entry.size_bytes)


def _entries(directory: Path) -> Iterator[_Kept]:
    for note in directory.glob(f"*{_NOTE}"):
        with contextlib.suppress(FileNotFoundError):
            status = note.lstat()
            size_bytes = note.with_suffix(_CODE).lstat().st_size
            yield _Kept(status.st_mtime, size_bytes + status.st_size, note)


def _is_unused(directory: Path, entries: list[_Kept], now: float) -> bool:
    times = [directory.stat().st_mtime, *(entry.used_at for entry in entries)]
    return now - max(times) > _UNUSED_ENGINE_S


def _remove_engine(directory: Path) -> None:
    log.info("aot.engine_removed", engine=directory.name)
    for path in directory.iterdir():
        path.unlink(missing_ok=True)
    directory.rmdir()


def _remove_leftovers(directory: Path, now: float) -> None:
    for path in directory.iterdir():
        left = path.suffix == _PART or (
            path.suffix == _CODE and not path.with_suffix(_NOTE).exists()
        )
        if left:
            with contextlib.suppress(FileNotFoundError):
                if now - path.lstat().st_mtime > _PART_AGE_S:
                    path.unlink()


# files --------------------------------------------------------------------------------------------


def _open_private(path: Path) -> BufferedReader:
    """A file that is ours and nobody else can reach, by this or another name.

    Raises:
        OSError: it is not.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        private = status.st_uid == os.getuid() and not status.st_mode & 0o077
        if not (private and stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
            raise PermissionError(errno.EPERM, "it is not a private file of ours")
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


@contextlib.contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Nobody else of those who ask so is about the entries below while the block runs."""
    descriptor = lock_directory(root, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_ours(directory: Path) -> bool:
    status = directory.lstat()
    ours = status.st_uid == os.getuid() and not status.st_mode & 0o022
    return ours and stat.S_ISDIR(status.st_mode)
