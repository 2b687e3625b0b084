"""Files that are either whole or absent, and private unless said otherwise."""

import os
from pathlib import Path

_PART_SUFFIX = ".part"


def write_atomically(
    path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False
) -> None:
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
    descriptor = os.open(
        part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode
    )
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
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
