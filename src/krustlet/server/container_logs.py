"""`/containerLogs`: what a container printed, and goes on to print.

Source: kubernetes pkg/kubelet/server/server.go `getContainerLogs`, whose words are used: `kubectl`
shows them as they are.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from krustlet.base import Clock
from krustlet.objects import Pod
from krustlet.pods import log_path
from krustlet.process import has_log, read_log
from krustlet.server.log_query import LogQuery, QueryInvalid, QueryUnreadable, read_query
from krustlet.server.ports import PodsView
from krustlet.server.runs import LogUnavailable, Run, find_run, is_over, quoted

_UNREADABLE: Final = '{"message": "Unable to decode query."}'
_INVALID: Final = '{"message": "Invalid request."}'
_UNSENT_BYTES: Final = 64 * 1024

log = structlog.get_logger(__name__)


class ContainerLogs:
    """Streams logs; holds a file and a task for each stream, for as long as somebody listens."""

    def __init__(self, pods: PodsView, logs: Path, clock: Clock) -> None:
        self._pods = pods
        self._logs = logs
        self._clock = clock

    async def serve(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info
        try:
            query = read_query(request.query, now=self._clock.now())
        except QueryUnreadable:
            return _refusal(HTTPStatus.BAD_REQUEST, _UNREADABLE)
        except QueryInvalid:
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, _INVALID)
        pod = self._pods.find(namespace=where["namespace"], name=where["pod"])
        if pod is None:
            return _refusal(HTTPStatus.NOT_FOUND, f"pod {quoted(where['pod'])} does not exist")
        container = where["container"]
        if all(c.name != container for c in pod.spec.all_containers()):
            return _refusal(
                HTTPStatus.NOT_FOUND,
                f"container {quoted(container)} not found in pod {quoted(pod.name)}",
            )
        try:
            run = find_run(pod, container, previous=query.previous)
        except LogUnavailable as exc:
            return _refusal(HTTPStatus.BAD_REQUEST, str(exc))
        path = log_path(self._logs, pod, container, run.restart)
        if run.is_over and not has_log(path):
            return _refusal(
                HTTPStatus.BAD_REQUEST, f"unable to retrieve container logs for {run.container_id}"
            )
        return await self._stream(request, query, path, pod, container, run)

    async def _stream(
        self,
        request: web.Request,
        query: LogQuery,
        path: Path,
        pod: Pod,
        container: str,
        run: Run,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        if (
            request.transport is not None
        ):  # of TLS, eight times as much would wait for a slow reader
            request.transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        try:
            async with self._pieces(query, path, pod, container, run) as pieces:
                async for piece in pieces:
                    await response.write(piece)
        except ConnectionError:
            raise  # whoever listened is gone
        except OSError as exc:
            log.warning("server.log_unreadable", path=str(path), error=str(exc))
            if request.transport is not None:
                request.transport.abort()  # so that it is not taken for the whole log
        return response

    @contextlib.asynccontextmanager
    async def _pieces(
        self, query: LogQuery, path: Path, pod: Pod, container: str, run: Run
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        if not query.follow:
            async with contextlib.aclosing(read_log(path, query.options)) as pieces:
                yield pieces
            return
        ended = asyncio.Event()
        if run.is_over:
            ended.set()
        end = asyncio.create_task(
            self._until_over(pod, container, run.restart, ended), name="server.log_end"
        )
        try:
            async with contextlib.aclosing(read_log(path, query.options, ended=ended)) as pieces:
                yield pieces
        finally:
            end.cancel()
            await asyncio.gather(end, return_exceptions=True)

    async def _until_over(
        self, pod: Pod, container: str, restart: int, ended: asyncio.Event
    ) -> None:
        """Set `ended` once the run is over; a pod that is gone runs nothing."""
        try:
            while (now := self._pods.find(namespace=pod.namespace, name=pod.name)) is not None:
                if now.uid != pod.uid or is_over(now, container, restart):
                    return
                await self._pods.changed(pod.uid)
        finally:
            ended.set()


def _refusal(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text)
