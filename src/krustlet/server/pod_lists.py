"""`/pods` and `/runningpods`: what this node is to run, and what really runs here."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from krustlet.objects import Container, ObjectMeta, Pod, PodSpec
from krustlet.server.ports import PodsView


class PodLists:
    """Answers with lists of pods."""

    def __init__(self, pods: PodsView) -> None:
        self._pods = pods

    async def wanted(self, _: web.Request) -> web.Response:
        return _list_of(self._pods.all())

    async def running(self, _: web.Request) -> web.Response:
        running = map(running_part, self._pods.all())
        return _list_of([pod for pod in running if pod is not None])


def running_part(pod: Pod) -> Pod | None:
    """What a runtime knows of `pod`: names and images of what runs; None where nothing does.

    Source: kubernetes pkg/kubelet/container/runtime.go `ToAPIPod`.
    """
    status = pod.status
    statuses = (
        *status.init_container_statuses,
        *status.container_statuses,
        *status.ephemeral_container_statuses,
    )
    up = {s.name for s in statuses if s.state.running is not None}
    containers = tuple(
        Container(name=c.name, image=c.image) for c in pod.spec.all_containers() if c.name in up
    )
    if not containers:
        return None
    metadata = ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid)
    return Pod(metadata=metadata, spec=PodSpec(containers=containers))


def _list_of(pods: Sequence[Pod]) -> web.Response:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
