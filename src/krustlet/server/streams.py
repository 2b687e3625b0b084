"""`/exec` and `/attach`: let people into containers.

Owns which containers can be entered, and the life of each session. Leaves what goes over the wire
to `channels.py`, and carrying it to and fro to `relay.py`.

Source: kubernetes pkg/kubelet/server/server.go `getExec` and `getAttach`, and
pkg/kubelet/kubelet_pods.go `GetExec`.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web

from krustlet.base import KrustletError
from krustlet.objects import ContainerStatus, Pod
from krustlet.provider import Session
from krustlet.server.channels import SUBPROTOCOLS, Channels, chosen
from krustlet.server.hang_up import noticing_hang_up
from krustlet.server.ports import PodsControl, PodsView
from krustlet.server.refusals import Refused, refusing
from krustlet.server.relay import LeftEarly, relay
from krustlet.server.remote_status import RemoteStatus, ended_with, failed, success
from krustlet.server.runs import quoted
from krustlet.server.stream_query import QueryIncomplete, StreamQuery, read_stream_query

_WEBSOCKET: Final = "websocket"
_EXECUTING: Final = "error executing command in container"
_ATTACHING: Final = "error attaching to container"

log = structlog.get_logger(__name__)

_Begin = Callable[[], Awaitable[Session]]


class Streams:
    """Holds a session and a few tasks for each of them, until one side has enough."""

    def __init__(self, pods: PodsView, control: PodsControl) -> None:
        self._pods = pods
        self._control = control

    @refusing
    async def execute(self, request: web.Request) -> web.StreamResponse:
        """Run a command beside a container."""
        query = _query(request)
        pod, container = self._container(request)
        if not query.command:
            raise Refused(HTTPStatus.BAD_REQUEST, "you must specify a command")

        async def begin() -> Session:
            return await self._control.execute(
                pod, container, query.command, stdin=query.stdin, tty=query.tty
            )

        return await _serve(request, query, begin, doing=_EXECUTING, ending=ended_with)

    @refusing
    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Show what a container prints from now on, and let it read what is typed."""
        query = _query(request)
        pod, container = self._container(request)

        async def begin() -> Session:
            return await self._control.attach(pod, container, stdin=query.stdin)

        # To Kubernetes, attaching succeeds however the container ends.
        ending = ended_with if query.tells_code else lambda _: success()
        return await _serve(request, query, begin, doing=_ATTACHING, ending=ending)

    def _container(self, request: web.Request) -> tuple[Pod, str]:
        where = request.match_info
        pod = self._pods.find(namespace=where["namespace"], name=where["pod"])
        if pod is None or where.get("uid", pod.uid) != pod.uid:
            raise Refused(HTTPStatus.NOT_FOUND, "pod does not exist")
        container = where["container"]
        if all(c.name != container for c in pod.spec.all_containers()):
            raise Refused(HTTPStatus.NOT_FOUND, f"container not found ({quoted(container)})")
        if why := _why_not_running(pod, container):
            whose = f"container {quoted(container)} in pod {quoted(pod.name)}"
            raise Refused(HTTPStatus.BAD_REQUEST, f"{whose} is not running: {why}")
        return pod, container


def _query(request: web.Request) -> StreamQuery:
    try:
        query = read_stream_query(request.query)
    except QueryIncomplete as exc:
        raise Refused(HTTPStatus.BAD_REQUEST, str(exc)) from exc
    if request.headers.get(hdrs.UPGRADE, "").lower() != _WEBSOCKET:
        raise Refused(HTTPStatus.BAD_REQUEST, "Upgrade request required: websocket")
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
    if chosen(offered) is None:
        known = ", ".join(filter(None, SUBPROTOCOLS))
        text = f"requested protocol(s) are not supported: {offered}; supports {known}"
        raise Refused(HTTPStatus.FORBIDDEN, text)
    return query


async def _serve(
    request: web.Request,
    query: StreamQuery,
    begin: _Begin,
    *,
    doing: str,
    ending: Callable[[int], RemoteStatus],
) -> web.StreamResponse:
    name = chosen(request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL))
    assert name is not None  # _query saw to it
    channels = Channels(request, name, query)
    response = await channels.open()
    with noticing_hang_up(request):
        try:
            status = await _converse(channels, query, begin, ending)
        except KrustletError as exc:
            log.info("server.stream_failed", path=request.path, error=exc.message)
            status = failed(doing, exc)
        except LeftEarly:
            return response
        await channels.finish(status)
    return response


async def _converse(
    channels: Channels, query: StreamQuery, begin: _Begin, ending: Callable[[int], RemoteStatus]
) -> RemoteStatus:
    session = await begin()
    try:
        shown = [stream for stream in ("stdout", "stderr") if getattr(query, stream)]
        return ending(await relay(session, channels, shown=shown, stdin=query.stdin))
    finally:
        session.close()


def _why_not_running(pod: Pod, name: str) -> str:
    """Empty if it runs."""
    status = _status_of(pod, name)
    if status is None:
        return "it has not been started"
    if status.state.running is not None:
        return ""
    if status.state.terminated is not None:
        return status.state.terminated.reason or "it has ended"
    waiting = status.state.waiting
    return waiting.reason if waiting is not None and waiting.reason else "it has not been started"


def _status_of(pod: Pod, name: str) -> ContainerStatus | None:
    status = pod.status
    kinds = (
        status.container_statuses,
        status.init_container_statuses,
        status.ephemeral_container_statuses,
    )
    return next((one for kind in kinds for one in kind if one.name == name), None)
