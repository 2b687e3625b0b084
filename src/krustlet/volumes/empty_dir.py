"""Make emptyDir volumes: a directory of the node's own disk that ends with its pod."""

import stat
from pathlib import Path

from krustlet.base import make_private_directory

KIND_DIRECTORY = "kubernetes.io~empty-dir"  # the kubelet's name for it, below a pod's volumes
_MODE = 0o777  # kubernetes pkg/volume/emptydir, defaultPerm: any user of any container may write


def make(volumes_directory: Path, name: str) -> Path:
    """Make the volume `name`, open to every uid whatever the umask; what it holds stays.

    Raises:
        OSError: it cannot be made, or something else of that name is in the way.
    """
    path = make_private_directory(volumes_directory / KIND_DIRECTORY) / name
    path.mkdir(exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != _MODE:
        path.chmod(_MODE)
    return path
