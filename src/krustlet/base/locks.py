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
def only_user_of(directory: Path) -> Iterator[None]:
    """Nobody else who asks so has the directory while the block runs, nor once this process dies.

    Raises:
        DirectoryInUse: somebody has.
        OSError: there is no such directory.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise DirectoryInUse(
                f"{directory} is in use by another krustlet",
                hint="end that one, or give this one a directory of its own",
            ) from exc
        yield
    finally:
        os.close(descriptor)
