"""Make emptyDir volumes: a directory of the node's own disk or memory that ends with its pod."""

import stat
from pathlib import Path
from typing import Final

from krustlet.base import make_private_directory
from krustlet.volumes import tmpfs
from krustlet.volumes.owner import Owner, give_directory

KIND_DIRECTORY: Final = "kubernetes.io~empty-dir"  # the kubelet's name, below a pod's volumes
_MODE: Final = 0o777  # kubernetes pkg/volume/emptydir, `perm`: any user of any container may write


def make(volumes_directory: Path, name: str, owner: Owner | None) -> Path:
    """Make the volume `name`, open to every uid whatever the umask; what it holds stays.

    Raises:
        OSError: it cannot be made, or something else of that name is in the way.
    """
    path = _place(volumes_directory, name)
    if owner is not None:
        give_directory(path, owner, mode=_MODE)
    elif stat.S_IMODE(path.stat().st_mode) != _MODE:
        path.chmod(_MODE)
    return path


def make_in_memory(
    volumes_directory: Path, name: str, owner: Owner | None, *, size_bytes: int | None
) -> Path:
    """As `make`, in memory, as much of it as `size_bytes`; one that is there stays as it is.

    Raises:
        OSError: it cannot be made or mounted.
    """
    path = _place(volumes_directory, name)
    if tmpfs.is_mounted(path):
        return path
    if owner is None:
        tmpfs.mount(path, mode=_MODE, size_bytes=size_bytes)
    else:
        tmpfs.mount(
            path,
            mode=owner.directory_mode(_MODE),
            size_bytes=size_bytes,
            uid=owner.uid,
            gid=owner.group,
        )
    return path


def _place(volumes_directory: Path, name: str) -> Path:
    path = make_private_directory(volumes_directory / KIND_DIRECTORY) / name
    path.mkdir(exist_ok=True)
    return path
