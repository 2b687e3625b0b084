"""Find modules that lie in plain files of this node.

Owns nothing on disk: the files are the user's. Leaves the choice between local files and
registries to `puller.py`.
"""

import asyncio
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from krustlet.base import did_you_mean_file
from krustlet.images.errors import ImageChanging, ImageNotFound, ImageUnreadable
from krustlet.images.reference import LocalReference

_RELATIVE = "a relative path begins at the manifest's directory"
_REMEMBERED_DIGESTS = 4096  # about 1 MB; the oldest goes first


class Image(msgspec.Struct, frozen=True):
    """A module whose bytes are on this node.

    Attributes:
        reference: the canonical text it was asked for by.
        digest: `sha256:<64 hex>` of the file's bytes.
        path: absolute. The file may change later; who reads it again checks the digest.
        entrypoint_name: argv[0] where the container names no command.
        image_id: what the pod's status calls it: `<registry>/<repository>@<digest of the manifest>`
            for an image of a registry, the digest of the file for a local one.
    """

    reference: str
    digest: str
    path: str
    size_bytes: int
    entrypoint_name: str
    image_id: str = ""


class _FileVersion(NamedTuple):
    """One state of one file; another write means another version.

    `ctime_ns` is there as nobody can set it: `cp --preserve` and `touch -r` forge the rest.
    """

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


class LocalImages:
    """Turn local references into images, hashing each version of a file once."""

    def __init__(self, base_directory: Path) -> None:
        """Keep `base_directory`, where a relative `relative_to` begins."""
        self._base_directory = base_directory
        self._digests: dict[_FileVersion, str] = {}
        self._hashing: WeakValueDictionary[_FileVersion, asyncio.Lock] = WeakValueDictionary()

    async def resolve(self, reference: LocalReference, *, relative_to: Path) -> Image:
        """The image in the file that `reference` names.

        Args:
            relative_to: where a relative path begins: the directory of the manifest.

        Raises:
            ImageNotFound: no such file; the hint names the nearest one there is.
            ImageUnreadable: no regular file, or not ours to read.
            ImageChanging: somebody is writing to it right now.
        """
        directory = (self._base_directory / relative_to).absolute()
        path = directory / reference.path
        version = await asyncio.to_thread(_look, path)
        digest = await self._digest(path, version)
        return Image(
            reference=str(reference),
            digest=digest,
            path=str(path),
            size_bytes=version.size_bytes,
            entrypoint_name=path.name,
            image_id=digest,
        )

    async def _digest(self, path: Path, version: _FileVersion) -> str:
        lock = self._hashing.setdefault(version, asyncio.Lock())
        async with lock:  # who comes second finds the first one's result
            if (known := self._digests.get(version)) is not None:
                return known
            digest = await asyncio.to_thread(_hash, path, version)
            self._remember(version, digest)
            return digest

    def _remember(self, version: _FileVersion, digest: str) -> None:
        self._digests[version] = digest
        if len(self._digests) > _REMEMBERED_DIGESTS:
            del self._digests[next(iter(self._digests))]


def _look(path: Path) -> _FileVersion:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ImageNotFound(f"no file {path}", hint=did_you_mean_file(path) or _RELATIVE) from exc
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if stat.S_ISDIR(status.st_mode):
        raise ImageUnreadable(
            f"{path} is a directory, not a module", hint="name the .wasm file inside it"
        )
    if not stat.S_ISREG(status.st_mode):
        raise ImageUnreadable(f"{path} is not a regular file", hint="name a .wasm file")
    return _version(status)


def _hash(path: Path, version: _FileVersion) -> str:
    """The digest of exactly `version`, or no digest at all."""
    try:
        # O_NONBLOCK: should a FIFO have taken the file's place, opening it must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if _version(os.fstat(descriptor)) == version:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                if _version(os.fstat(descriptor)) == version:
                    return f"sha256:{digest}"
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    raise ImageChanging(
        f"{path} changed while it was read",
        hint="write a new file, then rename it over the old",
    )


def _version(status: os.stat_result) -> _FileVersion:
    return _FileVersion(
        device=status.st_dev,
        inode=status.st_ino,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )


def _unreadable(path: Path, exc: OSError) -> ImageUnreadable:
    hint = ""
    if isinstance(exc, PermissionError):
        hint = f"let uid {os.geteuid()} read it and enter its directories"
    return ImageUnreadable(f"cannot read {path}: {exc.strerror}", hint=hint)
