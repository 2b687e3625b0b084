"""Receive a blob: no name until all its bytes are there and are the right ones.

Owns files below the store's `parts/`. Each is locked by the process that fills it, and stays when
that one gives up, so that the next begins where it ended.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from krustlet.base.threads import to_its_end
from krustlet.images.errors import DigestMismatch, RegistryAnswerInvalid, StoreUnusable
from krustlet.images.manifest import Descriptor

_AGE_S: Final = 24 * 3600.0  # nobody will go on with a part that is older
_READ_BYTES: Final = 1024 * 1024
_FIRST_POLL_S: Final = 0.05
_LONGEST_POLL_S: Final = 1.0


class Part:
    """A blob as far as it has come; `offset` bytes of it."""

    def __init__(self, path: Path, descriptor: int, blob: Descriptor) -> None:
        self._path = path
        self._descriptor = descriptor
        self._blob = blob
        self._hash = hashlib.sha256()
        self.offset = 0

    async def recall(self) -> None:
        """Take in what an earlier try has left."""
        with unusable(self._path):
            await to_its_end(self._recall)

    async def write(self, data: bytes) -> None:
        """Add what comes next.

        Raises:
            RegistryAnswerInvalid: the blob was to be shorter.
            StoreUnusable: the disk is full, or worse.
        """
        if self.offset + len(data) > self._blob.size:
            raise RegistryAnswerInvalid(
                f"blob {self._blob.digest} goes on beyond the {self._blob.size} bytes that its "
                "manifest says"
            )
        with unusable(self._path):
            await to_its_end(self._write, data)

    async def begin_again(self) -> None:
        """Drop all of it."""
        with unusable(self._path):
            await to_its_end(self._truncate)

    async def finish(self, into: Path) -> None:
        """Give it its name for good, in place of whatever has it.

        Raises:
            DigestMismatch: these are not the bytes that were promised; the part is empty again.
            StoreUnusable: the disk is full, or worse.
        """
        found = f"sha256:{self._hash.hexdigest()}"
        if self.offset != self._blob.size or found != self._blob.digest:
            await self.begin_again()
            raise DigestMismatch("a blob", expected=self._blob.digest, found=found)
        with unusable(self._path):
            await to_its_end(self._name, into)

    def _recall(self) -> None:
        if os.fstat(self._descriptor).st_size > self._blob.size:
            self._truncate()
        while data := os.pread(self._descriptor, _READ_BYTES, self.offset):
            self._hash.update(data)
            self.offset += len(data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._descriptor, rest, self.offset)
            self._hash.update(rest[:written])
            self.offset += written
            rest = rest[written:]

    def _truncate(self) -> None:
        os.ftruncate(self._descriptor, 0)
        self._hash = hashlib.sha256()
        self.offset = 0

    def _name(self, into: Path) -> None:
        # The index will vouch for it, and only its size is looked at from then on.
        os.fsync(self._descriptor)
        self._path.replace(into)


@contextlib.asynccontextmanager
async def receiving(
    directory: Path, blob: Descriptor, *, there: Path
) -> AsyncIterator[Part | None]:
    """The part of `blob`, ours alone; None if `there` is all of it by then.

    Another process that receives the same blob is waited for. What is not finished stays.

    Raises:
        StoreUnusable: `directory` cannot be used.
    """
    path = directory / blob.digest.removeprefix("sha256:")
    poll_s = _FIRST_POLL_S
    while True:
        with unusable(path):
            descriptor = _lock(path)
        try:
            if is_whole(there, blob.size):
                if descriptor is not None:
                    path.unlink()  # made for nothing
                yield None
                return
            if descriptor is not None:
                yield Part(path, descriptor, blob)
                return
        finally:
            if descriptor is not None:
                os.close(descriptor)
        # A lock of a file tells nobody when it is let go, and a thread that waits for one cannot
        # be called back.
        await asyncio.sleep(poll_s)
        poll_s = min(2 * poll_s, _LONGEST_POLL_S)


def is_whole(path: Path, size_bytes: int) -> bool:
    """Whether `path` is a blob of that size; its bytes were checked before it got that name."""
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False


def sweep(directory: Path) -> None:
    """Remove parts that nobody will go on with."""
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process sweeps, too
            if path.stat().st_mtime < time.time() - _AGE_S:
                descriptor = _lock(path)
                if descriptor is not None:
                    try:
                        path.unlink()
                    finally:
                        os.close(descriptor)


def _lock(path: Path) -> int | None:
    """A descriptor of `path`, made if need be and locked; None while another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it became a blob, or was swept, before it was ours


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def unusable(path: Path) -> Iterator[None]:
    """What the disk refuses becomes an error of ours."""
    try:
        yield
    except OSError as exc:
        raise StoreUnusable(
            f"cannot keep images in {path.parent}: {exc.strerror}",
            hint="make room, or let this user write there",
        ) from exc
