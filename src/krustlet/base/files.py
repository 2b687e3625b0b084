"""Files that are either whole or absent, and private unless said otherwise."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Self

_PART_SUFFIX = ".part"


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Make `path` hold exactly `data`; a reader sees the old content or the new, never a piece.

    Args:
        path: its directory must exist.
        data: the whole content.
        mode: permission bits of the new file, whatever the umask.
        durable: survive a power cut too (fsync of file and directory), not only a killed process.

    Raises:
        OSError: the disk is full, read-only or gone; `path` is then as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{_PART_SUFFIX}")
    descriptor = _opened_anew(part, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(descriptor)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        _sync_directory(path.parent)


def sweep_parts(directory: Path) -> None:
    """Remove what `write_atomically` had begun in a process that was killed.

    Args:
        directory: need not exist; nobody may be writing in it.

    Raises:
        OSError: it cannot be looked into, or changed.
    """
    for part in directory.glob(f".*.*{_PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def _opened_anew(part: Path, mode: int) -> int:
    """A descriptor of a new file; never of one, or of a link, that others have put there.

    In a directory that all can write to they would read along, or choose what is overwritten.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(part, flags, mode)
    except FileExistsError:  # left by a process of that number that was killed, as a rule
        part.unlink(missing_ok=True)
        return os.open(part, flags, mode)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_directory(path: Path) -> Path:
    """Make `path` a directory, with its parents, that only this user can enter; return it.

    Raises:
        OSError: it cannot be made, or something else of that name is in the way.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_private_directory(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


class Unnamed:
    """A new file that has no name until it is complete: a killed process leaves nothing behind.

    Where the file system cannot make such files, it has a name of a dot and random letters.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name: str | None = None
        self.descriptor = -1

    def __enter__(self) -> Self:
        try:
            flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
            self.descriptor = os.open(self._directory, flags, 0o600)
        except OSError as exc:
            if exc.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
                raise
            self.descriptor, self._name = tempfile.mkstemp(
                prefix=".", suffix=_PART_SUFFIX, dir=self._directory
            )
        return self

    def keep_as(self, path: Path) -> None:
        """Give it its name, in place of whatever had that name before.

        Args:
            path: in the directory it was made in.
        """
        if self._name is None:
            self._name = str(self._directory / f".{path.name}.{os.getpid()}{_PART_SUFFIX}")
            Path(self._name).unlink(missing_ok=True)
            # With a directory descriptor Python calls linkat, which can follow /proc's links.
            directory = os.open(self._directory, os.O_PATH | os.O_CLOEXEC)
            try:
                os.link(f"/proc/self/fd/{self.descriptor}", self._name, src_dir_fd=directory)
            finally:
                os.close(directory)
        os.replace(self._name, path)
        self._name = None

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
        if self._name is not None:
            os.unlink(self._name)
