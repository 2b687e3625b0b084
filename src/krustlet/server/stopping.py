"""`/stop` and `/rm`: what people of this machine may end, and wait for the end of.

The answer comes when it is done; who does not wait for it has asked all the same.
"""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from krustlet.base import KrustletError
from krustlet.objects import Pod
from krustlet.server.ports import PodsControl, PodsView
from krustlet.server.refusals import Refused, refusing
from krustlet.server.runs import is_over, quoted, running

_LONGEST_GRACE_S: Final = float(2**31)


class Stopping:
    """Stops containers and has pods removed."""

    def __init__(self, pods: PodsView, control: PodsControl) -> None:
        self._pods = pods
        self._control = control

    @refusing
    async def stop(self, request: web.Request) -> web.StreamResponse:
        """End one container, or all of the pod's; answers with the pod as it is then."""
        pod = self._find(request)
        grace_s = _grace_s(request, pod)
        container = request.query.get("container") or None
        names = {c.name for c in pod.spec.all_containers()}
        if container is not None and container not in names:
            text = f"container {quoted(container)} not found in pod {quoted(pod.name)}"
            raise Refused(HTTPStatus.NOT_FOUND, text)
        runs = {name: n for name, n in running(pod).items() if container in (None, name)}
        self._control.stop(pod.uid, container, grace_s=grace_s)
        while (now := self._same(pod)) is not None:
            if all(is_over(now, name, restart) for name, restart in runs.items()):
                break
            await self._pods.changed(pod.uid)
        return _answer(now or pod)

    @refusing
    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Delete the pod; answers with the pod as it was last, once nothing of it is left."""
        pod = self._find(request)
        try:
            await self._control.remove(pod, grace_s=_grace_s(request, pod))
        except KrustletError as exc:
            text = f"{exc.message}; {exc.hint}" if exc.hint else exc.message
            raise Refused(HTTPStatus.CONFLICT, text) from exc
        last = pod
        while (now := self._same(pod)) is not None:
            last = now
            await self._pods.changed(pod.uid)
        return _answer(last)

    def _find(self, request: web.Request) -> Pod:
        where = request.match_info
        pod = self._pods.find(namespace=where["namespace"], name=where["pod"])
        if pod is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"pod {quoted(where['pod'])} does not exist")
        return pod

    def _same(self, pod: Pod) -> Pod | None:
        """The pod as it is now; None if it is gone, whatever has its name."""
        now = self._pods.find(namespace=pod.namespace, name=pod.name)
        return now if now is not None and now.uid == pod.uid else None


def _grace_s(request: web.Request, pod: Pod) -> float:
    """What was asked for, else what the pod itself says."""
    text = request.query.get("grace")
    if text is None:
        return float(pod.spec.termination_grace_period_seconds or 0)
    try:
        grace_s = float(text)
    except ValueError:
        grace_s = -1.0
    if not 0 <= grace_s <= _LONGEST_GRACE_S:
        raise Refused(HTTPStatus.BAD_REQUEST, f"grace {quoted(text)} is no number of seconds")
    return grace_s


def _answer(pod: Pod) -> web.Response:
    return web.Response(body=msgspec.json.encode(pod), content_type="application/json")
