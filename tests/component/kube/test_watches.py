"""Watches last as long as they can, end without noise, and are in nobody's way."""

import asyncio
import os
import socket
import time
from contextlib import aclosing

import aiohttp
import msgspec
import pytest
from aiohttp import web

from krustlet.kube import ApiError, ApiUnavailable, Forbidden, Gone, KubeClient, WatchEvent
from krustlet.kube.calls import Call
from krustlet.kube.session import Session
from krustlet.objects import PODS, Pod
from tests.component.kube.servers import Servers, a_config, a_status

MANY = 500


def an_event(name: str, version: str, kind: str = "ADDED") -> bytes:
    pod = {"metadata": {"name": name, "resourceVersion": version}}
    return msgspec.json.encode({"type": kind, "object": pod}) + b"\n"


class Streamer:
    """Sends `chunks` to each watcher, and then ends the stream, breaks it off, or says no more."""

    def __init__(self, *chunks: bytes, then: str = "end") -> None:
        self._chunks = chunks
        self._then = then
        self.queries: list[dict[str, str]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in self._chunks:
            await response.write(chunk)
        if self._then == "break":
            assert request.transport is not None
            request.transport.abort()
        if self._then == "silence":
            await asyncio.sleep(60)
        return response


async def seen_by(client: KubeClient) -> list[WatchEvent[Pod]]:
    return [event async for event in client.watch(PODS, resource_version="5")]


async def test_a_watch_says_how_far_we_are_and_when_it_shall_end(servers: Servers) -> None:
    streamer = Streamer()
    async with KubeClient(a_config(await servers.http(streamer))) as client:
        watch = client.watch(PODS, field_selector="spec.nodeName=n", resource_version="5")
        assert [event async for event in watch] == []

    (query,) = streamer.queries
    assert 300 <= int(query.pop("timeoutSeconds")) <= 600
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "fieldSelector": "spec.nodeName=n",
        "resourceVersion": "5",
    }


@pytest.mark.parametrize("then", ["end", "break"])
@pytest.mark.parametrize("rest", [b"", an_event("cut", "9")[:20]])
async def test_a_stream_that_breaks_ends_after_its_last_whole_event(
    servers: Servers, then: str, rest: bytes
) -> None:
    whole = an_event("a", "6") + an_event("b", "7")
    streamer = Streamer(whole[:10], whole[10:90], whole[90:], rest or b"\n", then=then)

    async with KubeClient(a_config(await servers.http(streamer))) as client:
        events = await seen_by(client)

    assert [event.resource_version for event in events] == ["6", "7"]


async def test_what_is_no_event_ends_the_stream(servers: Servers) -> None:
    streamer = Streamer(an_event("a", "6"), b"<garbage>\n", an_event("b", "7"), then="silence")
    async with KubeClient(a_config(await servers.http(streamer))) as client:
        events = await seen_by(client)
    assert [event.resource_version for event in events] == ["6"]


async def test_an_event_of_a_megabyte_arrives(servers: Servers) -> None:
    big = an_event("x" * 1_000_000, "6")
    pieces = [big[at : at + 10_000] for at in range(0, len(big), 10_000)]
    async with KubeClient(a_config(await servers.http(Streamer(*pieces)))) as client:
        (event,) = await seen_by(client)
    assert event.object is not None
    assert len(event.object.name) == 1_000_000


async def test_a_server_that_has_forgotten_says_gone(servers: Servers) -> None:
    error = {"kind": "Status", "message": "too old", "reason": "Expired", "code": 410}
    line = msgspec.json.encode({"type": "ERROR", "object": error}) + b"\n"

    async with KubeClient(a_config(await servers.http(Streamer(line)))) as client:
        with pytest.raises(Gone, match="too old"):
            await seen_by(client)


@pytest.mark.parametrize(("status", "kind"), [(410, Gone), (403, Forbidden)])
async def test_a_watch_may_be_refused(servers: Servers, status: int, kind: type[ApiError]) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return a_status(status, "no")

    async with KubeClient(a_config(await servers.http(refuse))) as client:
        with pytest.raises(kind, match="no"):
            await seen_by(client)


async def test_a_refusal_that_breaks_off_is_one_as_well(servers: Servers) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()

    async with KubeClient(a_config(await servers.raw(talk))) as client:
        with pytest.raises(ApiUnavailable):
            await seen_by(client)


async def test_a_watch_that_is_left_is_closed(servers: Servers) -> None:
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + an_event("a", "6"))
        assert await reader.read() == b""
        left.set()

    async with KubeClient(a_config(await servers.raw(talk))) as client:
        async with aclosing(client.watch(PODS)) as events:
            async for _ in events:
                break
        async with asyncio.timeout(60):
            await left.wait()


async def test_a_server_that_says_nothing_any_more_is_noticed(servers: Servers) -> None:
    streamer = Streamer(b"\n", then="silence")
    config = a_config(await servers.http(streamer))

    async with (
        asyncio.timeout(60),
        Session(config, timeout_s=5) as session,
        session.stream(Call("GET", "/"), silence_s=0.3) as stream,
    ):
        with pytest.raises(aiohttp.ClientError):
            async for _ in stream.iter_any():
                pass


async def test_the_kernel_looks_after_silent_connections(servers: Servers) -> None:
    streamer = Streamer(b"\n", then="silence")
    config = a_config(await servers.http(streamer))

    async with (
        Session(config, timeout_s=5) as session,
        session.stream(Call("GET", "/"), silence_s=60),
    ):
        ours = our_end_of(int(config.server.rpartition(":")[2]))
        options = [
            ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        ]
        ours.detach()

    assert options == [1, 30, 10, 3, 30_000]


async def test_many_watches_keep_no_request_waiting(servers: Servers) -> None:
    watched = 0
    all_open = asyncio.Event()

    async def serve(request: web.Request) -> web.StreamResponse:
        nonlocal watched
        if "watch" not in request.query:
            return web.json_response({"metadata": {"name": "lease"}})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(an_event("a", "6"))
        watched += 1
        if watched == MANY:
            all_open.set()
        await asyncio.sleep(60)
        return response

    async def watch_for_ever(client: KubeClient) -> None:
        async for _ in client.watch(PODS):
            pass

    took: list[float] = []
    # Half of the watches may begin at once; the others have to queue for three seconds.
    config = a_config(await servers.http(serve))
    async with KubeClient(config, qps=80, burst=260) as client:
        tasks = [asyncio.create_task(watch_for_ever(client)) for _ in range(MANY)]
        async with asyncio.timeout(30):
            while not all_open.is_set() or len(took) < 50:
                began = time.monotonic()
                renewed = await client.patch(PODS, "lease", {}, namespace="kube-node-lease")
                took.append(time.monotonic() - began)
                assert renewed.name == "lease"
                await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert watched == MANY
    assert max(took) < 10  # of the forty that a lease lasts


def our_end_of(port: int) -> socket.socket:
    """The socket of this process that is connected to `port`."""
    for name in os.listdir("/proc/self/fd"):
        try:
            found = socket.socket(fileno=int(name))
        except OSError:
            continue
        try:
            if found.family == socket.AF_INET and found.getpeername()[1] == port:
                return found
        except OSError:
            pass
        found.detach()
    raise AssertionError(f"nobody here is connected to {port}")
