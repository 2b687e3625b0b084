"""Mount file systems that are kept in memory, and take them away.

Owns what is mounted under the name of `SOURCE`. Leaves where, and how much they hold, to others.

Source: kubernetes pkg/volume/emptydir, `setupTmpfs`; tmpfs(5).
"""

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from krustlet.volumes.errors import VolumeStillMounted
from krustlet.volumes.mount_table import MountPoint, mounts_below

SOURCE: Final = "krustlet"
_KIND: Final = "tmpfs"

# Source: linux include/uapi/linux/mount.h, capability.h; include/linux/fs.h.
_MS_NOSUID: Final = 0x2
_MS_NODEV: Final = 0x4
_MS_NOEXEC: Final = 0x8
_UMOUNT_NOFOLLOW: Final = 0x8
_CAP_SYS_ADMIN: Final = 21


@cache
def can_mount() -> bool:
    """Whether this process may mount anything: root, mostly, and not within every container."""
    if not sys.platform.startswith("linux"):
        return False
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, text = line.partition(":")
        if name == "CapEff":
            return bool(int(text, 16) >> _CAP_SYS_ADMIN & 1)
    return False


def is_mounted(path: Path) -> bool:
    """Whether a file system of its own begins at `path`; it need not exist."""
    return os.path.ismount(path)


def mount(
    path: Path, *, mode: int, size_bytes: int | None = None, uid: int = 0, gid: int = 0
) -> None:
    """Mount an empty file system at `path`, a directory, with this owner and mode from the start.

    It is not swapped out where the kernel can help it (since 6.4).

    Args:
        size_bytes: the most that it holds; None for half of the machine's memory.

    Raises:
        OSError: the kernel refused.
    """
    options = [f"mode={mode:o}", f"uid={uid}", f"gid={gid}"]
    if size_bytes is not None:
        options.append(f"size={size_bytes}")
    try:
        _mount(path, [*options, "noswap"])
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
        _mount(path, options)


def _mount(path: Path, options: list[str]) -> None:
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    words = (SOURCE.encode(), os.fsencode(path), _KIND.encode())
    _check(_libc().mount(*words, flags, ",".join(options).encode()), path)


def unmount_below(directory: Path) -> None:
    """Unmount what was mounted by us at `directory` or below; nothing at all is mounted there then.

    Raises:
        VolumeStillMounted: something of ours is in use, or something there is not ours.
    """
    for found in mounts_below(directory):
        if not _is_ours(found):
            raise VolumeStillMounted(found.path)
        unmount(Path(found.path))


def unmount(path: Path) -> None:
    """Unmount what is mounted at `path`, and with that throw away what it holds.

    Raises:
        VolumeStillMounted: somebody uses it.
        OSError: the kernel refused for another reason.
    """
    try:
        _check(_libc().umount2(os.fsencode(path), _UMOUNT_NOFOLLOW), path)
    except OSError as exc:
        if exc.errno != errno.EBUSY:
            raise
        raise VolumeStillMounted(str(path)) from exc


def _is_ours(found: MountPoint) -> bool:
    return (found.kind, found.source) == (_KIND, SOURCE)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.c_char_p
    libc.mount.argtypes = (text, text, text, ctypes.c_ulong, text)
    libc.umount2.argtypes = (text, ctypes.c_int)
    return libc


def _check(result: int, path: Path) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))
