"""Keep the volumes of the pods on this node.

Owns who is at work on which pod. Leaves what should be there to `plan.py`, making it so to
`storage.py`, when to renew a volume to `refresher.py`, and what a container finds besides volumes
to `run_files.py`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import Clock, Instant, SystemClock
from krustlet.base.threads import to_its_end
from krustlet.objects import Allocatable, Lookups, NoCluster, Pod
from krustlet.volumes.errors import SetUpFailed, VolumeStorageFailed
from krustlet.volumes.owner import Owner
from krustlet.volumes.plan import Projected, VolumeWanted, wanted
from krustlet.volumes.projected import Gathered, Gatherer
from krustlet.volumes.refresher import Refresher, VolumeOf
from krustlet.volumes.run_files import Node, RunFiles, RunOf
from krustlet.volumes.storage import Contents, OwnedPod, Storage
from krustlet.volumes.tokens import Tokens

_NO_CLUSTER: Final = NoCluster()
_SYSTEM_CLOCK: Final = SystemClock()
_NODE: Final = Node()


class _Renewed(msgspec.Struct, frozen=True):
    """What to write anew when its time has come."""

    of: OwnedPod
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
        in_memory: bool = False,
        node: Node = _NODE,
    ) -> None:
        """Keep what it is given.

        Args:
            lookups: finds what volumes are made of.
            allocatable: what the node has for pods: the limits of containers that have none.
            in_memory: whether what Kubernetes keeps in memory is kept there: see `can_mount`.
            node: what pods are told of it.
        """
        self._storage = Storage(root, in_memory=in_memory, allocatable=allocatable, node=node)
        self._tokens = Tokens(lookups, clock)
        self._gatherer = Gatherer(lookups, self._tokens, allocatable)
        self._refresher = Refresher(clock, self._renew)
        self._renewed: defaultdict[str, dict[str, _Renewed]] = defaultdict(dict)  # by uid, name
        self._writing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by uid

    async def run(self) -> None:
        """Renew what does not last, such as tokens, before it is worth nothing; until cancelled."""
        await self._refresher.run()

    async def mount(self, pod: Pod, *, owner: Owner | None = None) -> Mapping[str, Path]:
        """The path of each of the pod's volumes, by name; all exist, with what they held before.

        Files that are made of objects hold what these hold now: ask again, also with a newer
        version of the pod, and they are brought up to date. Those that no container mounts are left
        out, so nobody waits for their objects.

        Args:
            owner: whom the pod's containers run as; None for whoever runs this. What a hostPath
                names keeps its owner.

        Raises:
            VolumeError: one of them cannot be had; the others may have been made.
        """
        volumes = [volume for volume in wanted(pod) if _is_needed(pod, volume)]
        if not volumes:
            return {}
        of = OwnedPod(pod, owner)
        contents = await self._gather(pod, volumes)
        async with self._writing[pod.uid]:
            paths = await to_its_end(self._storage.make_all, of, volumes, contents)
            self._renew_later(of, volumes, contents)
        return paths

    async def unmount(self, uid: str) -> None:
        """Remove all that was made for the pod, if anything was; links are not followed.

        What a hostPath names is the node's own and stays.

        Raises:
            VolumeStillMounted: something is mounted there that is in use, or not ours.
            VolumeStorageFailed: something could not be removed.
        """
        self._forget(uid)
        async with self._writing[uid]:
            if self._storage.has(uid):
                await to_its_end(self._storage.remove, uid)
        self._writing.pop(uid, None)

    async def sweep(self, *, but: Collection[str]) -> None:
        """Remove what was made for any pod that is not among `but`, which have been named by uid.

        Raises:
            VolumeStorageFailed: something could not be removed; the rest was.
        """
        left = await asyncio.to_thread(self._storage.uids)
        errors: list[VolumeStorageFailed] = []
        for uid in sorted(left.difference(but)):
            try:
                await self.unmount(uid)
            except VolumeStorageFailed as exc:
                errors.append(exc)
        if errors:
            raise errors[0]

    # runs -------------------------------------------------------------------------------------

    async def make_run(self, run: RunOf) -> RunFiles:
        """Make what a run of a container finds besides its volumes; asked twice, it is the same.

        Raises:
            HostNameTooLong: the pod's name does not fit.
            VolumeStorageFailed: something cannot be made.
        """
        async with self._writing[run.pod.uid]:
            return await to_its_end(self._storage.make_run, run)

    async def remove_run(self, uid: str, container: str, restart: int) -> None:
        """The run is over: remove what it wrote to its root; its last words stay until the next.

        Raises:
            VolumeStorageFailed: something could not be removed.
        """
        await asyncio.to_thread(self._storage.remove_run, uid, container, restart)

    async def termination_message(self, uid: str, container: str, restart: int) -> str:
        """What a run left at its `terminationMessagePath`; empty if that is nothing.

        Raises:
            VolumeStorageFailed: it cannot be read.
        """
        # A small file: a thread costs more, and each container's end would take one.
        return self._storage.termination_message(uid, container, restart)

    async def _gather(self, pod: Pod, volumes: Sequence[VolumeWanted]) -> Contents:
        async def one(volume: Projected) -> Gathered | SetUpFailed:
            try:
                return await self._gatherer.gather(pod, volume)
            except SetUpFailed as failed:
                return failed

        projected = [volume for volume in volumes if isinstance(volume, Projected)]
        gathered = await asyncio.gather(*map(one, projected))
        return {volume.name: found for volume, found in zip(projected, gathered, strict=True)}

    # renewing ---------------------------------------------------------------------------------

    def _renew_later(
        self, of: OwnedPod, volumes: Sequence[VolumeWanted], contents: Contents
    ) -> None:
        uid = of.pod.uid
        for volume in volumes:
            found = contents.get(volume.name)
            if isinstance(volume, Projected) and isinstance(found, Gathered) and found.renewal_at:
                self._renewed[uid][volume.name] = _Renewed(of, volume)
                self._refresher.schedule(VolumeOf(uid, volume.name), found.renewal_at)

    async def _renew(self, which: VolumeOf) -> Instant | None:
        """Write the volume anew, and say when to do so again; what is gone has no more time.

        Raises:
            VolumeError: it is as it was, and still to be renewed.
        """
        uid = which.pod_uid
        if (renewed := self._renewed.get(uid, {}).get(which.name)) is None:
            return None
        try:
            found = await self._gatherer.gather(renewed.of.pod, renewed.volume)
            async with self._writing[uid]:
                if uid not in self._renewed:
                    return None
                await to_its_end(self._storage.make, renewed.of, renewed.volume, found)
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


def _is_needed(pod: Pod, volume: VolumeWanted) -> bool:
    """Whether to make it. Source: kubernetes pkg/kubelet/volumemanager, desiredStateOfWorld."""
    if not isinstance(volume, Projected):
        return True
    return any(
        mount.name == volume.name
        for container in pod.spec.all_containers()
        for mount in container.volume_mounts
    )
