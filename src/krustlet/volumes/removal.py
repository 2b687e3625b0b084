"""Remove directories that guests have written to, and nothing else.

Whatever a guest leaves: links are not followed, other file systems not entered, and no tree is too
deep, as one is taken apart from the top with two descriptors.
"""

import os
from pathlib import Path
from typing import Final

from krustlet.volumes import tmpfs
from krustlet.volumes.errors import VolumeStillMounted

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: Path) -> None:
    """Unmount what was mounted by us at `path` or below, then remove it; it may be gone already.

    Raises:
        VolumeStillMounted: there is something mounted that is not ours, or in use.
        OSError: something could not be removed, or `path` is no directory but a link to one.
    """
    try:
        parent = os.open(path.parent, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        tmpfs.unmount_below(path)
        _remove(parent, path)
    finally:
        os.close(parent)


def _remove(parent: int, path: Path) -> None:
    top = os.open(path.name, _DIRECTORY, dir_fd=parent)
    try:
        if os.fstat(top).st_dev != os.fstat(parent).st_dev:
            raise VolumeStillMounted(str(path))
        _empty(top, path)
    finally:
        os.close(top)
    os.rmdir(path.name, dir_fd=parent)


def _empty(top: int, path: Path) -> None:
    """Remove all that is in `top`.

    A directory that is not empty gives what it holds to the top, so nothing is ever deeper than
    one step.
    """
    device = os.fstat(top).st_dev
    moved = 0
    waiting = _clear(top)
    while waiting:
        name = waiting.pop()
        below = os.open(name, _DIRECTORY, dir_fd=top)
        try:
            if os.fstat(below).st_dev != device:
                raise VolumeStillMounted(str(path / name))
            for deeper in _clear(below):
                moved, new = _free_name(top, moved)
                os.rename(deeper, new, src_dir_fd=below, dst_dir_fd=top)
                waiting.append(new)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=top)


def _clear(directory: int) -> list[str]:
    """Remove what is no directory, and say the names of those that are."""
    directories = []
    for entry in list(os.scandir(directory)):
        if entry.is_dir(follow_symlinks=False):
            directories.append(entry.name)
        else:
            os.unlink(entry.name, dir_fd=directory)
    return directories


def _free_name(top: int, moved: int) -> tuple[int, str]:
    """A name that nothing in `top` has."""
    while True:
        moved += 1
        name = f"{moved}.moved"
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return moved, name
