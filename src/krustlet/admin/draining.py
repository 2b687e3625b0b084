"""Take a node out of its cluster: no new pods, the old ones evicted, its Node deleted.

Owns the order. Leaves what the node keeps on its machine to `local.py`.

Source: kubectl pkg/drain; kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from krustlet.admin.errors import NotDrained, PodsInTheWay, may
from krustlet.admin.ports import Api, Voice
from krustlet.kube import (
    Applied,
    Conflict,
    Listed,
    NotFound,
    PatchKind,
    Removed,
    TooManyRequests,
    reflect,
)
from krustlet.objects import LEASES, NODES, PODS, Node, Opaque, Pod, PodUID

_MIRROR: Final = "kubernetes.io/config.mirror"
_OVER: Final = ("Succeeded", "Failed")
_LEASES: Final = "kube-node-lease"
_AGAIN_S: Final = 5.0  # as kubectl: until a disruption budget is asked once more
_SHOWN: Final = 5


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is to be drained.

    Attributes:
        within_s: how long all of it may take.
        grace_s: for each pod; None: as it says itself.
        force: whether pods go, too, that nothing makes anew elsewhere.
    """

    within_s: float
    grace_s: int | None = None
    force: bool = False


class Sorted(msgspec.Struct, frozen=True):
    """The pods of a node, by what is done with them.

    Attributes:
        evict: those that a disruption budget may protect for a while.
        delete: those that are over.
        stay: those that would only come back, or are not the API server's.
        loose: those among `evict` that nothing makes anew.
    """

    evict: tuple[Pod, ...]
    delete: tuple[Pod, ...]
    stay: tuple[Pod, ...]
    loose: tuple[Pod, ...]


def sort_out(pods: Iterable[Pod]) -> Sorted:
    """What becomes of each of `pods`."""
    evict, delete, stay, loose = [], [], [], []
    for pod in pods:
        owner = _controller(pod)
        if _MIRROR in pod.metadata.annotations:
            stay.append(pod)
        elif pod.status.phase in _OVER:
            delete.append(pod)
        elif owner == "DaemonSet":
            stay.append(pod)
        else:
            evict.append(pod)
            if not owner and pod.metadata.deletion_timestamp is None:
                loose.append(pod)
    return Sorted(tuple(evict), tuple(delete), tuple(stay), tuple(loose))


def _controller(pod: Pod) -> str:
    """The kind of what makes such pods; empty where nothing does."""
    return next((one.kind for one in pod.metadata.owner_references if one.controller), "")


class Drainer:
    """Takes one node away, step by step.

    Attributes:
        leaves_cordoned: whether the node, as things are, gets no new pods until somebody lets it.
    """

    def __init__(self, api: Api, voice: Voice, *, node: str) -> None:
        self._api = api
        self._voice = voice
        self._node = node
        self.leaves_cordoned = False

    async def find(self) -> Node | None:
        """The Node, if there is one."""
        with may("see Nodes"):
            try:
                return await self._api.get(NODES, self._node)
            except NotFound:
                return None

    async def check(self, how: Drain) -> None:
        """Nothing is in the way of draining it so.

        Raises:
            PodsInTheWay: there are pods that only force takes away.
        """
        loose = sort_out(await self._pods()).loose
        if loose and not how.force:
            raise PodsInTheWay(
                f"nothing makes these pods anew elsewhere: {_listed(loose)}",
                hint="delete them yourself, or let them go with --force",
            )

    async def drain(self, how: Drain, *, attended: bool) -> None:
        """The node gets no new pods, and all that can be evicted from it are.

        Args:
            attended: whether a kubelet runs there, which ends the pods, and is waited for.

        Raises:
            NotDrained: some are left when the time is up; the node stays cordoned.
            PodsInTheWay: there are pods that only force takes away.
            RightsMissing: we may not evict pods.
        """
        await self.check(how)
        await self._cordon()
        pods = sort_out(await self._pods())
        left = {pod.uid: pod for pod in (*pods.evict, *pods.delete)}
        try:
            async with asyncio.timeout(how.within_s):
                await self._make_go(pods, how)
                if attended:
                    await self._until_gone(left)
        except TimeoutError as exc:
            raise NotDrained(
                f"not gone within {how.within_s:g} s: {_listed(tuple(left.values()))}",
                hint="see why with kubectl describe; what is done stays done, so try again, with a "
                "longer --timeout if need be",
            ) from exc
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        if pods.stay:
            self._voice.say(f"left to the cluster: {_listed(pods.stay)}")
        if left and not attended:
            self._voice.say("no kubelet ends them: the cluster removes them once the Node is gone")

    async def delete(self, node: Node) -> None:
        """Neither the Node is there any more nor its lease."""
        with may("delete Nodes"):
            try:
                await self._api.delete(NODES, node.name, uid=node.uid)
            except NotFound:
                self._voice.say(f"node {node.name} was gone already")
            else:
                self._voice.say(f"node {node.name} deleted")
        self.leaves_cordoned = False
        with may(f"delete Leases in {_LEASES}"):
            try:
                await self._api.delete(LEASES, node.name, namespace=_LEASES)
            except NotFound:
                return

    # steps ------------------------------------------------------------------------------------

    async def _pods(self) -> tuple[Pod, ...]:
        with may("see Pods"):
            found = await self._api.list(PODS, field_selector=self._here())
        return found.items

    def _here(self) -> str:
        return f"spec.nodeName={self._node}"

    async def _cordon(self) -> None:
        node = await self.find()
        if node is None:
            return  # deleted meanwhile; its pods are not
        if not node.spec.unschedulable:
            with may("cordon nodes"):
                await self._api.patch(
                    NODES, self._node, {"spec": {"unschedulable": True}}, kind=PatchKind.MERGE
                )
            self._voice.say(f"node {self._node} cordoned")
        self.leaves_cordoned = True

    async def _make_go(self, pods: Sorted, how: Drain) -> None:
        async with asyncio.TaskGroup() as tasks:
            for pod in pods.evict:
                if pod.metadata.deletion_timestamp is None:
                    tasks.create_task(self._evict(pod, how), name=f"admin.evict/{pod.key}")
            for pod in pods.delete:
                tasks.create_task(self._delete(pod), name=f"admin.delete/{pod.key}")

    async def _evict(self, pod: Pod, how: Drain) -> None:
        told = False
        while True:
            try:
                with may("evict pods"):
                    await self._api.create_sub(
                        PODS, pod.name, "eviction", _eviction(pod, how), Opaque,
                        namespace=pod.namespace,
                    )  # fmt: skip
            except NotFound:
                return
            except Conflict:  # another pod has its name, or somebody changes its budget
                if await self._is_gone(pod):
                    return
                await asyncio.sleep(_AGAIN_S)
            except TooManyRequests as exc:
                if not told:
                    self._voice.say(f"pod {pod.key} is waited for: {exc.message}")
                told = True
                await asyncio.sleep(exc.retry_after_s or _AGAIN_S)
            else:
                self._voice.say(f"pod {pod.key} evicted")
                return

    async def _is_gone(self, pod: Pod) -> bool:
        try:
            there = await self._api.get(PODS, pod.name, namespace=pod.namespace)
        except NotFound:
            return True
        return there.uid != pod.uid

    async def _delete(self, pod: Pod) -> None:
        with may("delete pods"):
            try:
                await self._api.delete(PODS, pod.name, namespace=pod.namespace, uid=pod.uid)
            except NotFound:
                return
        self._voice.say(f"pod {pod.key} deleted: it was over")

    async def _until_gone(self, left: dict[PodUID, Pod]) -> None:
        changes = reflect(self._api, PODS, field_selector=self._here())
        async with aclosing(changes):
            async for change in changes:
                match change:
                    case Listed(objects=objects):
                        there = {pod.uid for pod in objects}
                        for uid in left.keys() - there:
                            del left[uid]
                    case Removed(object=pod):
                        left.pop(pod.uid, None)
                    case Applied():
                        pass
                if not left:
                    return


def _eviction(pod: Pod, how: Drain) -> Opaque:
    options: Opaque = {"preconditions": {"uid": pod.uid}}
    if how.grace_s is not None:
        options["gracePeriodSeconds"] = how.grace_s
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": options,
    }


def _listed(pods: Sequence[Pod]) -> str:
    names = ", ".join(sorted(pod.key for pod in pods[:_SHOWN]))
    return names + (f" and {len(pods) - _SHOWN} more" if len(pods) > _SHOWN else "")
