"""What stands around each container of this node: its control group, and its walls.

Owns the node's control groups, one a pod and below it one a container. Leaves raising the walls to
the child, and what a container may use to whoever asks for it. Groups are made and removed without
a thread: they are on no disk, and a thread takes longer.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from krustlet.base import KrustletError
from krustlet.cgroups import CgroupError, Cgroups, Group, GroupBusy, Limits, Usage
from krustlet.process import Bind, User, Walls
from krustlet.provider.contract import ContainerRequest

# Those that ask for nothing share one group, of the least weight, so that many of them do not push
# others aside. The rest compete by what each asks for: a group for burstable pods, as Kubernetes
# has one, that weighs as much as they ask for together would come to the same.
_TIER: Final = "besteffort"
_TIER_LIMITS: Final = Limits(cpu_shares=2)
_BEST_EFFORT: Final = "BestEffort"
_POD: Final = "pod"

log = structlog.get_logger(__name__)


class Enclosure:
    """Makes what a container is shut in, and takes it away."""

    def __init__(self, cgroups: Cgroups | None) -> None:
        """Keep what it is given; without control groups nothing is limited or counted."""
        self._cgroups = cgroups
        self._pods: dict[str, str] = {}  # the path of each pod's group, by its uid
        self._has_tier = False

    async def sweep(self, running: Iterable[Path]) -> None:
        """Find the groups of an earlier kubelet, and remove those in which nothing runs.

        Args:
            running: the directories of the containers that run, `…/<pod uid>/run/<name>/<restart>`.
        """
        if self._cgroups is not None:
            await asyncio.to_thread(self._sweep, self._cgroups, set(map(_group_of, running)))

    def enclose(self, request: ContainerRequest) -> tuple[Walls, str]:
        """Make the groups of a container; returns its walls, and where kills are counted.

        Raises:
            KrustletError: it cannot be held to its limits; none of it is left.
        """
        group = None if self._cgroups is None else self._make(self._cgroups, request)
        return self._walls(request, group), "" if group is None else group.oom_file

    def walls_within(self, request: ContainerRequest) -> Walls:
        """Those of a process beside the container of `request`."""
        return self._walls(request, self._group(request))

    async def update(self, request: ContainerRequest) -> None:
        """Hold a running container and its pod to other limits.

        Raises:
            KrustletError: there are no control groups, or they have the limits they had.
        """
        path = self._pods.get(request.pod_uid)
        if self._cgroups is None or path is None:
            raise CgroupError("nothing is limited on this node", hint="see docs/why/limits.md")
        limits = {path: request.pod_limits, f"{path}/{_name(request)}": request.limits}
        await asyncio.to_thread(self._cgroups.update, limits)

    def usage(self, directory: Path) -> Usage | None:
        """What the container uses whose records are in `directory`; None if nobody counts."""
        uid, name = _group_of(directory)
        if self._cgroups is None or uid not in self._pods:
            return None
        return self._cgroups.group(f"{self._pods[uid]}/{name}").usage()

    async def open_up(self, directory: Path) -> None:
        """The container whose records are in `directory` has ended: its group goes."""
        uid, name = _group_of(directory)
        if self._cgroups is not None and uid in self._pods:
            await self._remove(self._cgroups, f"{self._pods[uid]}/{name}")

    async def forget_pod(self, uid: str) -> None:
        """All containers of a pod have ended: its group goes."""
        if self._cgroups is not None and (path := self._pods.pop(uid, None)) is not None:
            await self._remove(self._cgroups, path)

    def close(self, *, all_have_ended: bool) -> None:
        """No group is left but those of pods that may have something running in them.

        That nothing has joined a group does not tell: a child that was just forked is about to.
        """
        if self._cgroups is None:
            return
        self._has_tier = False
        for path in self._cgroups.below():
            if all_have_ended or (path == _TIER and not self._cgroups.below(path)):
                with contextlib.suppress(CgroupError):
                    self._cgroups.remove(path)
        self._cgroups.close()

    def _make(self, cgroups: Cgroups, request: ContainerRequest) -> Group:
        path = self._pods.get(request.pod_uid)
        if path is None:
            path = f"{_POD}{request.pod_uid}"
            if request.qos == _BEST_EFFORT:
                self._make_tier(cgroups)
                path = f"{_TIER}/{path}"
            self._pods[request.pod_uid] = path
        cgroups.make(path, request.pod_limits)
        return cgroups.make(f"{path}/{_name(request)}", request.limits, ends_whole=True)

    def _make_tier(self, cgroups: Cgroups) -> None:
        if not self._has_tier:
            cgroups.make(_TIER, _TIER_LIMITS)
            self._has_tier = True

    def _walls(self, request: ContainerRequest, group: Group | None) -> Walls:
        identity = request.identity
        binds = tuple(Bind(m.host, m.guest, m.read_only) for m in request.mounts)
        return Walls(
            cgroups=() if group is None else group.procs,
            root=request.root,
            read_only_root=request.read_only_root,
            binds=binds if request.root else (),
            hostname=request.hostname if request.root else "",
            user=None if identity is None else User(identity.uid, identity.gid, identity.groups),
            visible=tuple((m.host, not m.read_only) for m in request.mounts),
            network=request.network,
        )

    def _group(self, request: ContainerRequest) -> Group | None:
        if self._cgroups is None or (path := self._pods.get(request.pod_uid)) is None:
            return None
        return self._cgroups.group(f"{path}/{_name(request)}")

    def _sweep(self, cgroups: Cgroups, running: set[tuple[str, str]]) -> None:
        for path in reversed(cgroups.below()):
            if path == _TIER:
                continue
            pod, _, name = path.removeprefix(f"{_TIER}/").partition("/")
            uid = pod.removeprefix(_POD)
            if not name and any(uid == of for of, _ in running):
                self._pods[uid] = path
            elif (uid, name) not in running:
                with contextlib.suppress(CgroupError):  # told when somebody wants it
                    cgroups.remove(path, within_s=0)

    async def _remove(self, cgroups: Cgroups, path: str) -> None:
        try:
            cgroups.remove(path, within_s=0)
        except GroupBusy:
            await self._remove_in_time(cgroups, path)
        except KrustletError as exc:
            log.warning("cgroup.left", path=path, error=exc.message)

    async def _remove_in_time(self, cgroups: Cgroups, path: str) -> None:
        try:
            await asyncio.to_thread(cgroups.remove, path)
        except KrustletError as exc:
            log.warning("cgroup.left", path=path, error=exc.message)


def _name(request: ContainerRequest) -> str:
    return f"{request.container}-{request.restart}"


def _group_of(directory: Path) -> tuple[str, str]:
    """The uid of its pod, and the name of its group in that of the pod."""
    *_, uid, _, container, restart = directory.parts
    return uid, f"{container}-{restart}"
