"""Write a volume's files so that a reader sees all of the old ones or all of the new ones.

The files lie in a directory with a time in its name; the link `..data` leads to it, and what a
guest sees are links through `..data`. A new version is written beside the old one, then the link is
renamed over: one step, which a reader finds done or not. Names that begin with `..` are ours.

The files are the owner's, the directories stay the node's own: guests only read here.

Source: kubernetes pkg/volume/util/atomic_writer.go.
"""

import contextlib
import os
import posixpath
import shutil
import stat
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from krustlet.volumes.errors import InvalidVolume
from krustlet.volumes.owner import Owner

DATA: Final = "..data"
_NEW_DATA: Final = "..data_tmp"
_DIRECTORY_MODE: Final = 0o755  # whoever reads it; to keep others out is the work of those above
_GROUP_READS: Final = 0o440
_PATH_MAX: Final = 4096
_NAME_MAX: Final = 255


class File(msgspec.Struct, frozen=True):
    """What a file is to hold; not in its repr, as it may be a secret.

    Attributes:
        uid: whose it is, and `gid`; -1 for whoever writes it.
    """

    data: bytes
    mode: int
    uid: int = -1
    gid: int = -1

    def __repr__(self) -> str:
        return f"File({len(self.data)} bytes, mode={self.mode:#o})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("bytes", len(self.data)), ("mode", oct(self.mode))]


Files = Mapping[str, File]
"""By path below the volume."""


def write(volume: Path, files: Files, owner: Owner | None = None) -> bool:
    """Make `volume`, a directory, show exactly `files`; say whether anything had to be written.

    Args:
        owner: whose the files are; None for whoever runs this. With an `fsGroup`, its members can
            read all of them.

    Raises:
        InvalidVolume: a path is absolute, has a `..`, begins with `..` or is too long.
        OSError: the node's file system refused; what was there before still is.
    """
    cleaned = {_clean(path): _owned(file, owner) for path, file in files.items()}
    names = {path.partition("/")[0] for path in cleaned}
    root = str(volume)  # paths are plain text below: each pod that starts passes here
    group = owner.fs_group if owner is not None else None
    is_new = _make_directory(root, group)
    current = None if is_new else _current(root)
    must_write = current is None or not _holds(current, cleaned)
    if current is None or must_write:
        current = _write_new(root, cleaned, group)
        _publish(root, current)
    _show(root, names)
    if not is_new:
        _sweep(root, names, keep=os.path.basename(current))
    return must_write


def _owned(file: File, owner: Owner | None) -> File:
    """With what the owner makes of it.

    Source: kubernetes pkg/volume/volume_linux.go, `changeFilePermission`, of what guests only read.
    """
    if owner is None:
        return file
    mode = file.mode if owner.fs_group is None else file.mode | _GROUP_READS
    return File(file.data, mode, owner.uid, owner.group)


def _make_directory(path: str, group: int | None) -> bool:
    """Make it, for everybody to read, if it is not there; say whether it was not."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return False
    _open_up(path, group)
    return True


def _open_up(directory: str, group: int | None) -> None:
    """For everybody to read, whatever the umask."""
    if group is not None:
        os.chown(directory, -1, group)
    os.chmod(directory, _DIRECTORY_MODE if group is None else _DIRECTORY_MODE | stat.S_ISGID)


def _clean(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or "\0" in path:
        raise _invalid("must be relative path", path)
    if ".." in parts:
        raise _invalid("must not contain '..'", path)
    if path.startswith(".."):
        raise _invalid("must not start with '..'", path)
    if len(path) > _PATH_MAX or any(len(part) > _NAME_MAX for part in parts):
        raise _invalid("must be shorter", f"{path[:_NAME_MAX]}…")
    if (cleaned := posixpath.normpath(path)) == ".":
        raise _invalid("must not be empty", repr(path))
    return cleaned


def _invalid(why: str, path: str) -> InvalidVolume:
    return InvalidVolume(f"invalid path: {why}: {path}", hint="give it another path, in items")


def _current(volume: str) -> str | None:
    try:
        return f"{volume}/{os.readlink(f'{volume}/{DATA}')}"
    except FileNotFoundError:
        return None


def _holds(directory: str, files: Files) -> bool:
    """Whether these files are what is in the directory, with these modes and owners."""
    try:
        there = {
            os.path.relpath(os.path.join(above, name), directory)
            for above, _, names in os.walk(directory)
            for name in names
        }
        return there == files.keys() and all(
            _is(f"{directory}/{path}", file) for path, file in files.items()
        )
    except OSError:
        return False  # unreadable to us, by its mode or by an accident


def _is(path: str, file: File) -> bool:
    with open(path, "rb") as opened:
        found = os.fstat(opened.fileno())
        return (
            stat.S_IMODE(found.st_mode) == file.mode
            and file.uid in (-1, found.st_uid)
            and file.gid in (-1, found.st_gid)
            and opened.read() == file.data
        )


def _write_new(volume: str, files: Files, group: int | None) -> str:
    prefix = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    directory = tempfile.mkdtemp(prefix=prefix, dir=volume)
    try:
        _open_up(directory, group)
        for path, file in files.items():
            _write_file(directory, path, file, group)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return directory


def _write_file(directory: str, path: str, file: File, group: int | None) -> None:
    above, *below = path.split("/")
    for part in below:
        _make_directory(f"{directory}/{above}", group)
        above = f"{above}/{part}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(f"{directory}/{path}", flags, 0o600), "wb") as opened:
        opened.write(file.data)
        if (file.uid, file.gid) != (-1, -1):
            os.fchown(opened.fileno(), file.uid, file.gid)
        os.fchmod(opened.fileno(), file.mode)


def _publish(volume: str, directory: str) -> None:
    """The one step in which a new version takes the old one's place, if there is one."""
    name, data, new = os.path.basename(directory), f"{volume}/{DATA}", f"{volume}/{_NEW_DATA}"
    with contextlib.suppress(FileExistsError):
        os.symlink(name, data)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)  # a killed kubelet may have left it
    os.symlink(name, new)
    os.replace(new, data)


def _show(volume: str, names: set[str]) -> None:
    for name in names:
        with contextlib.suppress(FileExistsError):
            os.symlink(f"{DATA}/{name}", f"{volume}/{name}")


def _sweep(volume: str, names: set[str], *, keep: str) -> None:
    """Remove links to what is gone, older versions, and what a killed kubelet left half done."""
    for entry in list(os.scandir(volume)):
        is_ours = entry.name.startswith("..")
        if is_ours and entry.name not in (DATA, keep):
            _remove(entry)
        elif not is_ours and entry.name not in names and entry.is_symlink():
            os.unlink(entry)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry)
    else:
        os.unlink(entry)
