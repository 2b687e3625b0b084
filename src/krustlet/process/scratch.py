"""Remove what a run leaves that nobody else is there to tidy up for."""

import contextlib
import os
import shutil
from collections.abc import Iterable
from typing import Final

from krustlet.process.syscalls import function

_MOUNTS: Final = "/proc/self/mountinfo"
_MOUNT_POINT: Final = 4  # of a line's fields
_DETACH: Final = 2  # MNT_DETACH
_ESCAPED: Final = ("\\040", "\\011", "\\012", "\\134")

_umount2: Final = function("umount2", 2)


def remove(directory: str, groups: Iterable[str] = ()) -> None:
    """Nothing is left of `directory`, what is mounted in it, and of control groups.

    Args:
        groups: directories of groups in which nothing runs any more.
    """
    for mount in _mounts_below(directory):
        _umount2(os.fsencode(mount), _DETACH)
    shutil.rmtree(directory, ignore_errors=True)
    for group in groups:
        for path, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):  # somebody is in it after all
                os.rmdir(path)


def _mounts_below(directory: str) -> list[str]:
    """The deepest first."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            points = [_unescaped(line.split(" ")[_MOUNT_POINT]) for line in file]
    except OSError:  # nothing can have been mounted where that cannot be told
        return []
    return sorted((p for p in points if p.startswith(f"{directory}/")), reverse=True)


def _unescaped(path: str) -> str:
    for escaped in _ESCAPED:
        path = path.replace(escaped, chr(int(escaped[1:], 8)))
    return path
