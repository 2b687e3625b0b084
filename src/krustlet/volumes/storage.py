"""Make and remove what pods have on this node; blocks, so it is called in threads.

Owns `<root>/pods/<uid>/volumes` and, through `memory.py` and `run_files.py`, what these own. Leaves
what files hold, and the order of things, to `volumes.py`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import KrustletError, make_private_directory
from krustlet.objects import Allocatable, Pod, StorageMedium
from krustlet.volumes import atomic_writer, empty_dir, host_path, memory, removal, run_files
from krustlet.volumes.errors import InvalidVolume, SetUpFailed, VolumeStorageFailed
from krustlet.volumes.memory_size import memory_size
from krustlet.volumes.owner import Owner
from krustlet.volumes.plan import EmptyDir, HostPath, Projected, VolumeWanted
from krustlet.volumes.projected import Gathered
from krustlet.volumes.run_files import Node, RunFiles, RunOf

_PODS: Final = "pods"
_VOLUMES: Final = "volumes"

Contents = Mapping[str, Gathered | SetUpFailed]
"""What each projected volume is to show, or why that cannot be known, by the volume's name."""


class OwnedPod(msgspec.Struct, frozen=True):
    """A pod, and whom its containers run as; None for whoever runs this."""

    pod: Pod
    owner: Owner | None


class Storage:
    """The files of pods; of one pod, nothing is asked for twice at a time."""

    def __init__(
        self,
        root: Path,
        *,
        in_memory: bool,
        allocatable: Callable[[], Allocatable],
        node: Node,
    ) -> None:
        self._root = root
        self._in_memory = in_memory
        self._allocatable = allocatable
        self._node = node

    # volumes ----------------------------------------------------------------------------------

    def make_all(
        self, of: OwnedPod, volumes: Sequence[VolumeWanted], contents: Contents
    ) -> dict[str, Path]:
        """Make whatever can be made, by name; then raise the first error, if there was one."""
        paths: dict[str, Path] = {}
        errors: list[KrustletError] = []
        for volume in volumes:
            found = contents.get(volume.name)
            try:
                if isinstance(found, SetUpFailed):
                    raise found
                paths[volume.name] = self.make(of, volume, found)
            except KrustletError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]
        return paths

    def make(self, of: OwnedPod, volume: VolumeWanted, found: Gathered | None) -> Path:
        """Make one volume; `found` is what a projected one is to show."""
        with _told(f"volume {volume.name!r}: cannot make"):
            match volume:
                case EmptyDir():
                    return self._make_empty_dir(of, volume)
                case HostPath():
                    return host_path.make(volume)
                case Projected():
                    assert found is not None  # gathered before
                    return self._write(of, volume, found)

    def _make_empty_dir(self, of: OwnedPod, volume: EmptyDir) -> Path:
        directory = make_private_directory(self._directory(of.pod.uid) / _VOLUMES)
        if not self._in_memory or volume.medium is not StorageMedium.MEMORY:
            return empty_dir.make(directory, volume.name, of.owner)
        size = memory_size(of.pod, volume.size_limit, self._allocatable())
        return empty_dir.make_in_memory(directory, volume.name, of.owner, size_bytes=size)

    def _write(self, of: OwnedPod, volume: Projected, found: Gathered) -> Path:
        directory = self._directory(of.pod.uid) / _VOLUMES
        if self._in_memory and volume.is_kept_in_memory:
            directory = memory.make_directory(self._root, of.pod.uid)
        path = make_private_directory(directory / f"kubernetes.io~{volume.of}") / volume.name
        try:
            atomic_writer.write(path, found.files, of.owner)
        except InvalidVolume as exc:
            raise SetUpFailed(volume.name, [exc]) from exc
        return path

    # pods -------------------------------------------------------------------------------------

    def has(self, uid: str) -> bool:
        """Whether anything was made for the pod; a look that takes no time."""
        directory = self._directory(uid)
        parts = (directory / part for part in (_VOLUMES, *run_files.PARTS))
        return any(os.path.lexists(path) for path in (*parts, memory.directory_of(self._root, uid)))

    def remove(self, uid: str) -> None:
        """Remove all that was made for the pod."""
        directory = self._directory(uid)
        with _told(f"pod {uid}: cannot remove"):
            for part in (_VOLUMES, *run_files.PARTS):
                removal.remove(directory / part)
            memory.remove_directory(self._root, uid)
        with suppress(OSError):  # other rooms keep things there, and are mostly not done yet
            directory.rmdir()

    def uids(self) -> set[str]:
        """The pods that something was made for."""
        return {uid for uid in _names_in(self._root / _PODS) if self.has(uid)} | {
            *memory.uids(self._root)
        }

    # runs of containers -----------------------------------------------------------------------

    def make_run(self, run: RunOf) -> RunFiles:
        """See `run_files.make`."""
        uid = run.pod.uid
        here = shared = self._directory(uid)
        with _told(f"container {run.container.name!r}: cannot make"):
            if self._in_memory and run.has_root:
                shared = memory.make_directory(self._root, uid)
            # A mount has no link in it: whoever mounts it takes one for a trap.
            here, shared = Path(os.path.realpath(here)), Path(os.path.realpath(shared))
            return run_files.make(here, run, self._node, shared=shared)

    def remove_run(self, uid: str, container: str, restart: int) -> None:
        """See `run_files.remove`."""
        with _told(f"container {container!r}: cannot remove"):
            run_files.remove(self._directory(uid), container, restart)

    def termination_message(self, uid: str, container: str, restart: int) -> str:
        """See `run_files.termination_message`."""
        with _told(f"container {container!r}: cannot read"):
            return run_files.termination_message(self._directory(uid), container, restart)

    def _directory(self, uid: str) -> Path:
        """Where the pod's things lie: right below `pods`, whatever the uid looks like."""
        if uid in ("", ".", "..") or "/" in uid or "\0" in uid:
            raise InvalidVolume(f"{uid!r} is no pod uid", hint="a uid is one word, such as a UUID")
        return self._root / _PODS / uid


def _names_in(directory: Path) -> Iterator[str]:
    return (path.name for path in directory.glob("*"))


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the node's file system refuses, in words for people."""
    try:
        yield
    except OSError as exc:
        raise VolumeStorageFailed(
            f"{what} {exc.filename or 'it'}: {exc.strerror}",
            hint=f"look at it on the node, as uid {os.geteuid()}",
        ) from exc
