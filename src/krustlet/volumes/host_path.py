"""Check hostPath volumes, and make those whose type says so.

The paths are the user's: what is made here is never removed.
"""

import os
import stat
from pathlib import Path

from krustlet.objects import HostPathType
from krustlet.volumes.errors import HostPathUnfit
from krustlet.volumes.plan import HostPath

_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644

# What the kubelet calls each type in a sentence, in its order.
# Source: kubernetes pkg/volume/hostpath/host_path.go, checkType.
_DESCRIPTIONS = {
    HostPathType.DIRECTORY: "directory",
    HostPathType.FILE: "file",
    HostPathType.SOCKET: "socket file",
    HostPathType.CHAR_DEVICE: "character device",
    HostPathType.BLOCK_DEVICE: "block device",
}


def make(volume: HostPath) -> Path:
    """The path of the volume, which now is what its type asks for; no type asks for nothing.

    Raises:
        HostPathUnfit: missing, or something else.
        OSError: it may not be looked at, or not be made.
    """
    path = Path(volume.path)
    match volume.type:
        case HostPathType.UNSET:
            pass
        case HostPathType.DIRECTORY_OR_CREATE:
            _make_directory(path)
            _check(path, HostPathType.DIRECTORY)
        case HostPathType.FILE_OR_CREATE:
            _make_file(path)
            _check(path, HostPathType.FILE)
        case wanted:
            _check(path, wanted)
    return path


def _make_directory(path: Path) -> None:
    if os.path.lexists(path):
        return
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(_DIRECTORY_MODE)  # whatever the umask


def _make_file(path: Path) -> None:
    """Make an empty file; like the kubelet, never the directories above it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, _FILE_MODE)
    finally:
        os.close(descriptor)


def _check(path: Path, wanted: HostPathType) -> None:
    try:
        found = _type_of(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise HostPathUnfit(f"hostPath {path} doesn't exist", hint=_how_to_make(wanted)) from exc
    if found is not wanted:
        what = f"it's a {found}" if found else "it's of no type that a volume can have"
        raise HostPathUnfit(
            f"hostPath type check failed: {path} is not a {_DESCRIPTIONS[wanted]}, {what}",
            hint="change the volume's type, or what lies there on the node",
        )


def _type_of(mode: int) -> HostPathType | None:
    types = {
        stat.S_IFDIR: HostPathType.DIRECTORY,
        stat.S_IFREG: HostPathType.FILE,
        stat.S_IFSOCK: HostPathType.SOCKET,
        stat.S_IFCHR: HostPathType.CHAR_DEVICE,
        stat.S_IFBLK: HostPathType.BLOCK_DEVICE,
    }
    return types.get(stat.S_IFMT(mode))


def _how_to_make(wanted: HostPathType) -> str:
    if wanted is HostPathType.DIRECTORY:
        return "make it on the node, or set the volume's type to DirectoryOrCreate"
    if wanted is HostPathType.FILE:
        return "make it on the node, or set the volume's type to FileOrCreate"
    return "make it on the node"
