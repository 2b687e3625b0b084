"""Keep the volumes of the pods on this node.

Owns `<root>/pods/<uid>/volumes`. Leaves what should be there to `plan.py`, how each kind is made to
a module of its own, and when to renew one to `refresher.py`.
"""

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import Clock, Instant, SystemClock, make_private_directory
from krustlet.objects import Allocatable, Lookups, NoCluster, Pod
from krustlet.volumes import atomic_writer, empty_dir, host_path
from krustlet.volumes.errors import InvalidVolume, SetUpFailed, VolumeError, VolumeStorageFailed
from krustlet.volumes.plan import EmptyDir, HostPath, Projected, VolumeWanted, wanted
from krustlet.volumes.projected import Gathered, Gatherer
from krustlet.volumes.refresher import Refresher, VolumeOf
from krustlet.volumes.tokens import Tokens

_PODS: Final = "pods"
_VOLUMES: Final = "volumes"
_NO_CLUSTER: Final = NoCluster()
_SYSTEM_CLOCK: Final = SystemClock()

_Contents = Mapping[str, Gathered | SetUpFailed]
"""What each projected volume is to show, or why that cannot be known, by the volume's name."""


class _Renewed(msgspec.Struct, frozen=True):
    """What to write anew when its time has come."""

    pod: Pod
    volume: Projected


class Volumes:
    """Make a pod's volumes be there, and be gone."""

    def __init__(
        self,
        root: Path,
        *,
        lookups: Lookups = _NO_CLUSTER,
        allocatable: Callable[[], Allocatable] = dict,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        """Keep what it is given.

        Args:
            lookups: finds what volumes are made of.
            allocatable: what the node has for pods: the limits of containers that have none.
        """
        self._root = root
        self._tokens = Tokens(lookups, clock)
        self._gatherer = Gatherer(lookups, self._tokens, allocatable)
        self._refresher = Refresher(clock, self._renew)
        self._renewed: defaultdict[str, dict[str, _Renewed]] = defaultdict(dict)  # by uid, name
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by uid

    async def run(self) -> None:
        """Renew what does not last, such as tokens, before it is worth nothing; until cancelled."""
        await self._refresher.run()

    async def mount(self, pod: Pod) -> Mapping[str, Path]:
        """The path of each of the pod's volumes, by name; all exist, with what they held before.

        Files that are made of objects hold what these hold now: ask again, also with a newer
        version of the pod, and they are brought up to date. Those that no container mounts are left
        out, so nobody waits for their objects.

        Raises:
            VolumeError: one of them cannot be had; the others may have been made.
        """
        volumes = [volume for volume in wanted(pod) if _is_needed(pod, volume)]
        if not volumes:
            return {}
        directory = self._pod_directory(pod.uid) / _VOLUMES
        contents = await self._gather(pod, volumes)
        async with self._writing[pod.uid]:
            paths = await asyncio.to_thread(_make_all, directory, volumes, contents)
            self._renew_later(pod, volumes, contents)
        return paths

    async def unmount(self, uid: str) -> None:
        """Remove all that was made for the pod, if anything was; links are not followed.

        What a hostPath names is the node's own and stays.

        Raises:
            VolumeStorageFailed: something could not be removed.
        """
        directory = self._pod_directory(uid)
        self._forget(uid)
        async with self._writing[uid]:
            if os.path.lexists(directory / _VOLUMES):  # noqa: ASYNC240 - a look, not worth a thread
                await asyncio.to_thread(_remove, directory)
        self._writing.pop(uid, None)

    async def _gather(self, pod: Pod, volumes: Sequence[VolumeWanted]) -> _Contents:
        async def one(volume: Projected) -> Gathered | SetUpFailed:
            try:
                return await self._gatherer.gather(pod, volume)
            except SetUpFailed as failed:
                return failed

        projected = [volume for volume in volumes if isinstance(volume, Projected)]
        gathered = await asyncio.gather(*map(one, projected))
        return {volume.name: found for volume, found in zip(projected, gathered, strict=True)}

    # renewing ---------------------------------------------------------------------------------

    def _renew_later(self, pod: Pod, volumes: Sequence[VolumeWanted], contents: _Contents) -> None:
        for volume in volumes:
            found = contents.get(volume.name)
            if isinstance(volume, Projected) and isinstance(found, Gathered) and found.renewal_at:
                self._renewed[pod.uid][volume.name] = _Renewed(pod, volume)
                self._refresher.schedule(VolumeOf(pod.uid, volume.name), found.renewal_at)

    async def _renew(self, which: VolumeOf) -> Instant | None:
        """Write the volume anew, and say when to do so again; what is gone has no more time.

        Raises:
            VolumeError: it is as it was, and still to be renewed.
        """
        uid = which.pod_uid
        if (renewed := self._renewed.get(uid, {}).get(which.name)) is None:
            return None
        try:
            found = await self._gatherer.gather(renewed.pod, renewed.volume)
            async with self._writing[uid]:
                if uid not in self._renewed:
                    return None
                directory = self._pod_directory(uid) / _VOLUMES
                await asyncio.to_thread(_make, directory, renewed.volume, found)
            return found.renewal_at
        finally:
            if uid not in self._renewed:  # it went meanwhile, and nobody else will tidy up
                self._forget(uid)

    def _forget(self, uid: str) -> None:
        self._renewed.pop(uid, None)
        self._refresher.forget(uid)
        self._tokens.forget(uid)
        if uid in self._writing and not self._writing[uid].locked():
            del self._writing[uid]

    def _pod_directory(self, uid: str) -> Path:
        """Where the pod's things lie: right below `pods`, whatever the uid looks like."""
        if uid in ("", ".", "..") or "/" in uid or "\0" in uid:
            raise InvalidVolume(f"{uid!r} is no pod uid", hint="a uid is one word, such as a UUID")
        return self._root / _PODS / uid


def _is_needed(pod: Pod, volume: VolumeWanted) -> bool:
    """Whether to make it. Source: kubernetes pkg/kubelet/volumemanager, desiredStateOfWorld."""
    if not isinstance(volume, Projected):
        return True
    return any(
        mount.name == volume.name
        for container in pod.spec.all_containers()
        for mount in container.volume_mounts
    )


def _make_all(
    directory: Path, volumes: Sequence[VolumeWanted], contents: _Contents
) -> dict[str, Path]:
    """Make whatever can be made; then raise the first error, if there was one."""
    paths: dict[str, Path] = {}
    errors: list[VolumeError] = []
    for volume in volumes:
        found = contents.get(volume.name)
        try:
            if isinstance(found, SetUpFailed):
                raise found
            paths[volume.name] = _make(directory, volume, found)
        except VolumeError as exc:
            errors.append(exc)
    if errors:
        raise errors[0]
    return paths


def _make(directory: Path, volume: VolumeWanted, found: Gathered | None) -> Path:
    try:
        match volume:
            case EmptyDir():
                return empty_dir.make(make_private_directory(directory), volume.name)
            case HostPath():
                return host_path.make(volume)
            case Projected():
                assert found is not None  # gathered before
                return _write(directory, volume, found)
    except OSError as exc:
        raise VolumeStorageFailed(
            f"volume {volume.name!r}: cannot make {exc.filename}: {exc.strerror}",
            hint=f"look at it on the node, as uid {os.geteuid()}",
        ) from exc


def _write(directory: Path, volume: Projected, found: Gathered) -> Path:
    path = make_private_directory(directory / f"kubernetes.io~{volume.of}") / volume.name
    try:
        atomic_writer.write(path, found.files)
    except InvalidVolume as exc:
        raise SetUpFailed(volume.name, [exc]) from exc
    return path


def _remove(pod_directory: Path) -> None:
    try:
        parent = os.open(pod_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            shutil.rmtree(_VOLUMES, dir_fd=parent)
        finally:
            os.close(parent)
    except OSError as exc:
        raise VolumeStorageFailed(
            f"cannot remove {pod_directory / _VOLUMES}: {exc}",
            hint=f"look at it on the node, as uid {os.geteuid()}",
        ) from exc
