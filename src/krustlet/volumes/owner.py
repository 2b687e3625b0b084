"""Whom the files of a pod's volumes belong to, and giving them to it.

Owns changing owners and modes, of trees too. Leaves whom a pod runs as to whoever asks for its
volumes.

Source: kubernetes pkg/volume/volume_linux.go.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

_SETGID: Final = stat.S_ISGID
_READ_WRITE: Final = 0o660
_ENTER: Final = 0o110
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC


class Owner(msgspec.Struct, frozen=True):
    """Numbers of the node, whether or not it has names for them.

    A pod's `fsGroupChangePolicy` is not among them: it is about volumes that held something before
    the pod came, and none that are made here do.

    Attributes:
        uid: of the user that the pod's containers run as.
        gid: of the group of files that no `fsGroup` is set for.
        fs_group: the pod's; all of its containers' users are in it.
    """

    uid: int
    gid: int
    fs_group: int | None = None

    @property
    def group(self) -> int:
        """Of what is made for the pod."""
        return self.gid if self.fs_group is None else self.fs_group

    def directory_mode(self, mode: int) -> int:
        """`mode`, of a directory that guests write to, with what an `fsGroup` adds to it."""
        return mode if self.fs_group is None else mode | _SETGID | _READ_WRITE | _ENTER

    def file_mode(self, mode: int) -> int:
        """As `directory_mode`, of a file."""
        return mode if self.fs_group is None else mode | _READ_WRITE


def give_directory(path: Path, owner: Owner, *, mode: int) -> None:
    """Make `path`, a directory that guests write to, the owner's, with all that is in it.

    Nothing is looked into if the directory itself is as it should be: it comes last. No link is
    followed: a guest may be writing there.

    Args:
        mode: without what an `fsGroup` adds.

    Raises:
        OSError: something cannot be changed, or `path` is no directory.
    """
    wanted = (owner.uid, owner.group, owner.directory_mode(mode))
    top = os.open(path, _DIRECTORY)
    try:
        found = os.fstat(top)
        if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == wanted:
            return
        for parts in _directories_below(top, ()):
            with _directory(top, parts) as directory:
                _give_files(directory, owner)
                _give(directory, owner, owner.directory_mode(_mode_of(directory)))
        _give_files(top, owner)
        _give(top, owner, owner.directory_mode(mode))
    finally:
        os.close(top)


def _directories_below(top: int, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every directory by its path from the top; one descriptor at a time, however deep it goes."""
    waiting = [parts]
    while waiting:
        above = waiting.pop()
        with _directory(top, above) as directory:
            found = [entry.name for entry in os.scandir(directory) if _is_directory(entry)]
        for name in found:
            waiting.append((*above, name))
            yield (*above, name)


def _is_directory(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


@contextmanager
def _directory(top: int, parts: tuple[str, ...]) -> Iterator[int]:
    """The directory at that path, walked link by link that is none."""
    here = os.dup(top)
    try:
        for part in parts:
            below = os.open(part, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _give_files(directory: int, owner: Owner) -> None:
    for entry in list(os.scandir(directory)):
        if _is_directory(entry):
            continue
        if entry.is_file(follow_symlinks=False):
            _give_file(directory, entry.name, owner)
        else:
            os.chown(entry.name, owner.uid, owner.group, dir_fd=directory, follow_symlinks=False)


def _give_file(directory: int, name: str, owner: Owner) -> None:
    # O_NONBLOCK: should a pipe have taken its place in between, nobody waits for its other end.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.open(name, flags, dir_fd=directory)
    try:
        _give(opened, owner, owner.file_mode(_mode_of(opened)))
    finally:
        os.close(opened)


def _mode_of(descriptor: int) -> int:
    return stat.S_IMODE(os.fstat(descriptor).st_mode)


def _give(descriptor: int, owner: Owner, mode: int) -> None:
    os.fchown(descriptor, owner.uid, owner.group)
    os.fchmod(descriptor, mode)  # last: a change of owner takes set-id bits away
