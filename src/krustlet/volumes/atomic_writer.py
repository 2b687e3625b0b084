"""Write a volume's files so that a reader sees all of the old ones or all of the new ones.

The files lie in a directory with a time in its name; the link `..data` leads to it, and what a
guest sees are links through `..data`. A new version is written beside the old one, then the link is
renamed over: one step, which a reader finds done or not. Names that begin with `..` are ours.

Source: kubernetes pkg/volume/util/atomic_writer.go.
"""

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from krustlet.volumes.errors import InvalidVolume

DATA: Final = "..data"
_NEW_DATA: Final = "..data_tmp"
_DIRECTORY_MODE: Final = 0o755  # whoever reads it; to keep others out is the work of those above
_PATH_MAX: Final = 4096
_NAME_MAX: Final = 255


class File(msgspec.Struct, frozen=True):
    """What a file is to hold; not in its repr, as it may be a secret."""

    data: bytes
    mode: int

    def __repr__(self) -> str:
        return f"File({len(self.data)} bytes, mode={self.mode:#o})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("bytes", len(self.data)), ("mode", oct(self.mode))]


Files = Mapping[str, File]
"""By path below the volume."""


def write(volume: Path, files: Files) -> bool:
    """Make `volume`, a directory, show exactly `files`; say whether anything had to be written.

    Raises:
        InvalidVolume: a path is absolute, has a `..`, begins with `..` or is too long.
        OSError: the node's file system refused; what was there before still is.
    """
    cleaned = {_clean(path): file for path, file in files.items()}
    volume.mkdir(exist_ok=True)
    volume.chmod(_DIRECTORY_MODE)  # whatever the umask
    current = _current(volume)
    must_write = current is None or not _holds(current, cleaned)
    if current is None or must_write:
        current = _write_new(volume, cleaned)
        _publish(volume, current)
    names = {path.partition("/")[0] for path in cleaned}
    _show(volume, names)
    _sweep(volume, names, keep=current.name)
    return must_write


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


def _current(volume: Path) -> Path | None:
    try:
        return volume / os.readlink(volume / DATA)
    except FileNotFoundError:
        return None


def _holds(directory: Path, files: Files) -> bool:
    """Whether these files are what is in the directory, with these modes."""
    try:
        there = {
            os.path.relpath(os.path.join(above, name), directory)
            for above, _, names in os.walk(directory)
            for name in names
        }
        return there == files.keys() and all(
            _is(directory / path, file) for path, file in files.items()
        )
    except OSError:
        return False  # unreadable to us, by its mode or by an accident


def _is(path: Path, file: File) -> bool:
    return path.stat().st_mode & 0o7777 == file.mode and path.read_bytes() == file.data


def _write_new(volume: Path, files: Files) -> Path:
    prefix = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=volume))
    try:
        directory.chmod(_DIRECTORY_MODE)
        for path, file in files.items():
            _write_file(directory, path, file)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return directory


def _write_file(directory: Path, path: str, file: File) -> None:
    above = directory
    for part in path.split("/")[:-1]:
        above = above / part
        with contextlib.suppress(FileExistsError):
            above.mkdir()
            above.chmod(_DIRECTORY_MODE)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(directory / path, flags, 0o600), "wb") as opened:
        opened.write(file.data)
        os.fchmod(opened.fileno(), file.mode)


def _publish(volume: Path, directory: Path) -> None:
    """The one step in which a new version takes the old one's place."""
    new = volume / _NEW_DATA
    new.unlink(missing_ok=True)  # a killed kubelet may have left it
    new.symlink_to(directory.name)
    new.replace(volume / DATA)


def _show(volume: Path, names: set[str]) -> None:
    for name in names:
        with contextlib.suppress(FileExistsError):
            (volume / name).symlink_to(f"{DATA}/{name}")


def _sweep(volume: Path, names: set[str], *, keep: str) -> None:
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
