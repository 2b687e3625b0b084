"""Keep what must not lie on a disk, or need not: one file system in memory for all pods.

Owns `<root>/memory`, mounted while a pod has a directory there. It is one for all, as every mount
of the node costs each container that starts. Leaves what is written there to `atomic_writer.py`
and `run_files.py`, and emptyDirs in memory, which have a size each, to `empty_dir.py`.
"""

import os
import threading
from pathlib import Path
from typing import Final

from krustlet.base import make_private_directory
from krustlet.volumes import removal, tmpfs
from krustlet.volumes.errors import VolumeStillMounted

_NAME: Final = "memory"
_MODE: Final = 0o700

_coming_and_going: Final = threading.Lock()  # of the mount; both are short


def directory_of(root: Path, uid: str) -> Path:
    """Where the pod's directory is, or would be."""
    return root / _NAME / uid


def make_directory(root: Path, uid: str) -> Path:
    """The pod's directory, private, made if need be.

    Raises:
        OSError: it cannot be made or mounted.
    """
    with _coming_and_going:
        top = make_private_directory(root / _NAME)
        if not tmpfs.is_mounted(top):
            tmpfs.mount(top, mode=_MODE)
        return make_private_directory(directory_of(root, uid))


def uids(root: Path) -> list[str]:
    """The pods that have a directory."""
    try:
        return os.listdir(root / _NAME)
    except FileNotFoundError:
        return []


def remove_directory(root: Path, uid: str) -> None:
    """Remove the pod's directory; with the last one, all of it.

    Raises:
        VolumeStillMounted: something is mounted below it.
        OSError: something could not be removed.
    """
    top = root / _NAME
    with _coming_and_going:
        removal.remove(directory_of(root, uid))
        if top.is_dir() and not os.listdir(top):
            _remove_all(top)


def _remove_all(top: Path) -> None:
    try:
        if tmpfs.is_mounted(top):
            tmpfs.unmount(top)
    except VolumeStillMounted:
        return  # somebody looks into it; it is empty, and there for the next pod
    if not os.listdir(top):  # there may be what was kept on disk before it was mounted
        top.rmdir()
