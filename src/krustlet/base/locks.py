"""Keep two processes out of one directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from krustlet.base.errors import KrustletError


class DirectoryInUse(KrustletError):
    """Another process has the directory."""


@contextmanager
def only_user_of(directory: Path) -> Iterator[int]:
    """Nobody else who asks so has the directory while the block runs, nor once this process dies.

    Yields a descriptor of it.

    Raises:
        DirectoryInUse: somebody has.
        OSError: there is no such directory.
    """
    try:
        descriptor = lock_directory(directory, wait=False)
    except BlockingIOError as exc:
        raise DirectoryInUse(
            f"{directory} is in use by another krustlet",
            hint="end that one, or give this one a directory of its own",
        ) from exc
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock_directory(directory: Path, *, wait: bool) -> int:
    """A descriptor with which nobody else has the directory's lock; close it to let go of it.

    Args:
        wait: until whoever has the lock lets go of it.

    Raises:
        BlockingIOError: somebody has it, and `wait` is not set.
        OSError: there is no such directory.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
