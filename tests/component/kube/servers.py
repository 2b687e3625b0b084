"""Servers on loopback that answer as a test tells them to."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from aiohttp import web

from krustlet.kube import KubeConfig
from krustlet.kube.credentials import Credentials, FixedCredentials, Identity

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def a_config(server: str, credentials: Credentials | None = None, **more: object) -> KubeConfig:
    known = credentials or FixedCredentials(Identity())
    config = KubeConfig(server=server, credentials=known, origin=Path("/kubeconfig"))
    return msgspec.structs.replace(config, **more)


def a_status(status: int, message: str, **headers: str) -> web.Response:
    return web.json_response(
        {"kind": "Status", "message": message, "code": status}, status=status, headers=headers
    )


class Servers:
    """Starts servers; all are gone afterwards."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def http(self, handler: Handler, tls: ssl.SSLContext | None = None) -> str:
        """The address of one that answers each request by `handler`."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(request)  # which may be any object that can be called

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        return f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"

    async def raw(self, talk: Talk) -> str:
        """The address of one that does on each connection what `talk` says."""
        talks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            try:
                await talk(reader, writer)
            finally:
                talks.discard(task)
                writer.close()

        async def stop() -> None:
            server.close()
            for task in talks.copy():
                task.cancel()
            await asyncio.gather(*talks.copy(), return_exceptions=True)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._stack.push_async_callback(stop)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
