"""What this process needs of its machine before it can be a node: directories, descriptors."""

import gc
import os
import resource
import stat
import tempfile
from pathlib import Path
from typing import Final

import structlog

from krustlet.base import KrustletError, make_private_directory
from krustlet.server import listen_on_port

_ALLOCATIONS: Final = 20_000  # between two looks at the youngest objects; Python's own is 700
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_LOGS_MODE: Final = 0o755  # other programs of this node collect them

log = structlog.get_logger(__name__)


class DirectoryUnusable(KrustletError):
    """A directory that the node was told to use cannot be used."""

    def __init__(self, what: str, path: Path, error: OSError, *, option: str) -> None:
        super().__init__(
            f"{what} cannot be kept in {path}: {error.strerror or error}",
            hint=f"name another directory with {option}",
        )


def data_directory(path: Path) -> Path:
    """`path` is there, can be written, and by this user alone, if it is his.

    Raises:
        DirectoryUnusable: it cannot.
    """
    try:
        directory = make_private_directory(path)
        _keep_others_out(directory)
        return _tried(directory)
    except OSError as exc:
        raise DirectoryUnusable("a node's data", path, exc, option="--data-dir") from exc


def _keep_others_out(directory: Path) -> None:
    """Who could put a supervisor's socket of his own there would be given all Secrets."""
    about = directory.stat()
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid != os.geteuid():
        log.warning(
            "node.data_is_anothers",
            directory=str(directory),
            owner=about.st_uid,
            hint=f"whoever owns it can do all that this node can: chown {os.geteuid()} {directory}",
        )
    elif mode & _OTHERS_WRITE:
        directory.chmod(mode & ~_OTHERS_WRITE)
        log.warning("node.data_was_open", directory=str(directory), mode=f"{mode:04o}")


def logs_directory(path: Path) -> Path:
    """`path` is there, and can be written.

    Raises:
        DirectoryUnusable: it cannot.
    """
    try:
        if not path.exists():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(_LOGS_MODE)  # whatever the umask
        return _tried(path)
    except OSError as exc:
        raise DirectoryUnusable("pod logs", path, exc, option="--pod-logs-dir") from exc


def _tried(directory: Path) -> Path:
    """What permissions say is not all: a file system may be read-only, or full."""
    with tempfile.TemporaryFile(dir=directory):
        return directory


def check_port(address: str, port: int) -> None:
    """The node's API could be there now.

    Raises:
        ListenFailed: it could not.
    """
    listen_on_port(address, port).close()


def open_as_many_files_as_allowed() -> None:
    """A node of many pods has many connections and files; the usual limit is a shell's."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_the_collector() -> None:
    """Have Python look for cycles seldom, and not among what was imported: that is here to stay.

    Measured: it took a fifth of the processor time that a pod costs. At all objects that are left
    it looks every hundred pods or so: they are few, and what finished pods leave in cycles costs
    the more the longer it lies about (25 MB after a thousand pods, where it looked a tenth as
    often).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 2)
