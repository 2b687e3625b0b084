"""Make the directory that becomes `/` for one run of a container.

It is the run's own and goes with it. Leaves what is mounted in it to `run_files.py`, and making it
the root to the runtime.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from krustlet.base import make_private_directory
from krustlet.volumes.owner import Owner

_MODE: Final = 0o755
_OPEN_TO_ALL: Final = 0o1777
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HOLDS: Final = (("tmp", _OPEN_TO_ALL), ("etc", _MODE), ("dev", _MODE))


def make(directory: Path, owner: Owner | None) -> None:
    """Make `directory` a root of the owner's; one that is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    if directory.is_dir():
        return
    # Under another name until it is complete: a killed kubelet leaves no half of one.
    part = make_private_directory(directory.parent) / f".{directory.name}.part"
    part.mkdir(exist_ok=True)
    with _opened(part) as top:
        for name, mode in _HOLDS:
            _make(top, name, owner, mode)
        _settle(top, owner, _MODE)
    part.rename(directory)


def _make(parent: int, name: str, owner: Owner | None, mode: int) -> None:
    with suppress(FileExistsError):  # of a kubelet that was killed half-way
        os.mkdir(name, 0o700, dir_fd=parent)
    made = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        _settle(made, owner, mode)
    finally:
        os.close(made)


def _settle(directory: int, owner: Owner | None, mode: int) -> None:
    if owner is not None:
        os.fchown(directory, owner.uid, owner.gid)
    if stat.S_IMODE(os.fstat(directory).st_mode) != mode:
        os.fchmod(directory, mode)  # whatever the umask


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, _DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
