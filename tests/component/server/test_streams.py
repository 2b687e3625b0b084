"""`/exec` and `/attach`, as clients of each subprotocol see them."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from krustlet.server import NodeServer, short_address
from tests.component.server.control import Broken, FakeControl, FakeSession, at_rest
from tests.component.server.rig import NODE, Rig
from tests.support.pods import Story, a_pod

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V4_BASE64 = "v4.base64.channel.k8s.io"
V1 = "channel.k8s.io"
V1_BASE64 = "base64.channel.k8s.io"
EXEC = "/exec/shop/web/app?command=ls"
ALL = "&input=1&output=1&error=1"
LIMIT_S = 60


class Client:
    """Somebody who talks with a container."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: FakeSession) -> None:
        self.socket = socket
        self.session = session

    async def next(self) -> bytes | str:
        async with asyncio.timeout(LIMIT_S):
            message = await self.socket.receive()
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
        assert isinstance(message.data, bytes | str)
        return message.data

    async def rest(self) -> list[bytes | str]:
        """All messages until the server closes in good order."""
        messages = []
        async with asyncio.timeout(LIMIT_S):
            async for message in self.socket:
                messages.append(message.data)
        assert self.socket.close_code == 1000
        return messages


class People:
    """A node that lets people in, over the socket of this machine."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.control = FakeControl()
        self.server = NodeServer(rig.pods, control=self.control, root=rig.root, logs=rig.logs)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[aiohttp.ClientSession]:
        with short_address(self.server.socket_path) as address:
            connector = aiohttp.UnixConnector(address)
            async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
                yield session

    @asynccontextmanager
    async def talking(self, path: str = EXEC + ALL, *protocols: str) -> AsyncIterator[Client]:
        async with (
            self.server,
            self.asking() as http,
            http.ws_connect(path, protocols=protocols or (V5,)) as socket,
        ):
            assert socket.protocol == (protocols or (V5,))[0]
            yield Client(socket, await self.control.session())

    async def refusal(self, path: str, **options: Any) -> tuple[int, str]:
        """Status and text for who asks for a WebSocket there."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
            **options,
        }
        async with (
            self.server,
            self.asking() as http,
            http.get(path, headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
def people(rig: Rig) -> People:
    rig.running()
    return People(rig)


# what is carried ----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [V5, V4])
async def test_what_is_printed_and_typed_goes_in_channels(people: People, protocol: str) -> None:
    async with people.talking(EXEC + ALL, protocol) as client:
        assert await client.next() == b"\x01"
        await client.socket.send_bytes(b"\x00hel")
        await client.socket.send_bytes(b"\x00lo")
        await client.session.until(lambda: client.session.typed == b"hello")
        client.session.prints(b"out")
        assert await client.next() == b"\x01out"
        client.session.prints(b"err", "stderr")
        assert await client.next() == b"\x02err"
        client.session.exits(0)
        [status] = await client.rest()
    assert isinstance(status, bytes)
    assert (status[0], json.loads(status[1:])) == (3, {"metadata": {}, "status": "Success"})
    assert people.control.asked == [("execute", "web", "app", ["ls"], True, False)]
    assert client.session.is_closed


@pytest.mark.parametrize("protocol", [V4_BASE64, V1_BASE64])
async def test_base64_follows_a_digit(people: People, protocol: str) -> None:
    async with people.talking(EXEC + ALL, protocol) as client:
        assert await client.next() == "1"
        await client.socket.send_str("0" + base64.b64encode(b"h\xffllo").decode())
        await client.session.until(lambda: client.session.typed == b"h\xffllo")
        await client.socket.send_str("0no base64!")
        client.session.prints(b"\xff\n")
        assert await client.next() == "1/wo="
        client.session.exits(0)
        rest = await client.rest()
    assert len(rest) == (protocol == V4_BASE64)
    assert client.session.typed == b"h\xffllo"


async def test_without_a_subprotocol_it_is_the_first_one(people: People) -> None:
    async with people.server, people.asking() as http, http.ws_connect(EXEC + ALL) as socket:
        assert socket.protocol is None
        client = Client(socket, await people.control.session())
        assert await client.next() == b"\x01"
        client.session.exits(7)
        assert await client.rest() == [
            b"\x03command terminated with non-zero exit code: exit status 7"
        ]


@pytest.mark.parametrize(
    ("wanted", "first"),
    [("&output=1", b"\x01"), ("&error=1", b"\x02"), ("&input=1", b"\x03")],
)
async def test_an_empty_message_on_the_lowest_channel_comes_first(
    people: People, wanted: str, first: bytes
) -> None:
    async with people.talking(EXEC + wanted, V4) as client:
        assert await client.next() == first
        client.session.prints(b"out")
        client.session.prints(b"err", "stderr")
        client.session.exits(0)
        shown = [message[:1] for message in await client.rest()]
    assert shown == [*([first] if wanted != "&input=1" else []), b"\x03"]


async def test_the_exit_code_is_a_cause_in_the_status(people: People) -> None:
    async with people.talking() as client:
        client.session.exits(137)
        *_, status = await client.rest()
    assert isinstance(status, bytes)
    told = json.loads(status[1:])
    assert (told["status"], told["reason"]) == ("Failure", "NonZeroExitCode")
    assert told["details"] == {"causes": [{"reason": "ExitCode", "message": "137"}]}


async def test_the_version_that_the_client_likes_best_is_spoken(people: People) -> None:
    async with people.talking(EXEC + ALL, V4, V5) as client:
        client.session.exits(0)
        await client.rest()


async def test_only_the_fifth_version_can_end_the_input(people: People) -> None:
    async with people.talking(EXEC + ALL, V5) as client:
        await client.socket.send_bytes(b"\x00last words")
        await client.socket.send_bytes(b"\xff\x00")
        await client.session.until(lambda: client.session.is_input_over)
        assert client.session.typed == b"last words"
        client.session.prints(b"still heard")
        assert [await client.next(), await client.next()] == [b"\x01", b"\x01still heard"]
        client.session.exits(0)
        await client.rest()


async def test_the_fourth_takes_it_for_an_unknown_channel(people: People) -> None:
    async with people.talking(EXEC + ALL, V4) as client:
        await client.socket.send_bytes(b"\xff\x00")
        await client.socket.send_bytes(b"\x00more")
        await client.session.until(lambda: client.session.typed == b"more")
        assert not client.session.is_input_over


async def test_a_terminal_has_a_size_and_no_stderr(people: People) -> None:
    async with people.talking(EXEC + ALL + "&tty=1") as client:
        for size in ('{"Width":80,"Height":24}', '{"width":1,"height":2}'):
            await client.socket.send_bytes(b"\x04" + size.encode())
        for nonsense in ("", "{", '{"Width":0,"Height":5}', '{"Width":70000,"Height":5}', "[]"):
            await client.socket.send_bytes(b"\x04" + nonsense.encode())
        await client.socket.send_bytes(b"\x00x")
        await client.session.until(lambda: client.session.typed == b"x")
        client.session.prints(b"nowhere", "stderr")
        client.session.exits(0)
        assert [message[:1] for message in await client.rest()] == [b"\x01", b"\x03"]
    assert client.session.sizes == [(80, 24), (1, 2)]
    assert people.control.asked == [("execute", "web", "app", ["ls"], True, True)]


async def test_what_may_not_be_typed_is_not(people: People) -> None:
    async with people.talking(EXEC + "&output=1") as client:
        await client.socket.send_bytes(b"\x00x")
        await client.socket.send_bytes(b"\xff\x00")
        await client.socket.send_bytes(b'\x04{"Width":80,"Height":24}')
        await client.session.until(lambda: client.session.sizes)
        assert (bytes(client.session.typed), client.session.is_input_over) == (b"", False)


async def test_a_command_has_all_its_words(people: People) -> None:
    path = "/exec/shop/web/app?command=echo&command=a%20b&command=&output=1"
    async with people.talking(path) as client:
        client.session.exits(0)
    assert people.control.asked[0][3] == ["echo", "a b", ""]


@pytest.mark.parametrize(("query", "failed"), [("", False), ("&exitCode=1", True)])
async def test_attaching_succeeds_however_it_ends_unless_asked(
    people: People, query: str, failed: bool
) -> None:
    async with people.talking("/attach/shop/web/app?output=1&input=1" + query) as client:
        client.session.prints(b"tick")
        assert [await client.next(), await client.next()] == [b"\x01", b"\x01tick"]
        client.session.exits(3)
        [status] = await client.rest()
    assert isinstance(status, bytes)
    assert (json.loads(status[1:])["status"] == "Failure") is failed
    assert people.control.asked == [("attach", "web", "app", True)]


async def test_the_uid_may_be_named(people: People) -> None:
    async with people.talking("/exec/shop/web/uid-of-web/app?command=ls&output=1") as client:
        client.session.exits(0)
        await client.rest()


async def test_what_could_not_be_run_is_told_with_what_to_do(people: People) -> None:
    people.control.error = Broken("no such file: ls", hint="it has web.wasm")
    async with (
        people.server,
        people.asking() as http,
        http.ws_connect(EXEC + ALL, protocols=(V4,)) as web_socket,
    ):
        assert (await web_socket.receive()).data == b"\x01"
        told = json.loads((await web_socket.receive()).data[1:])
    text = "error executing command in container: no such file: ls"
    assert told["message"] == f"Internal error occurred: {text}"
    assert (told["reason"], told["code"]) == ("InternalError", 500)
    assert told["details"]["causes"] == [
        {"message": text},
        {"reason": "krustlet.dev/hint", "message": "it has web.wasm"},
    ]


# who waits for whom -------------------------------------------------------------------------------


async def test_a_client_that_goes_away_ends_the_session(people: People) -> None:
    async with people.talking() as client:
        await client.socket.close()
        await client.session.until(lambda: client.session.is_closed)


async def test_one_that_hangs_up_while_the_guest_reads_nothing_too(people: People) -> None:
    async with people.talking() as client:
        client.session.reads.clear()
        assert not await _sent(client.socket, megabytes=64, within_s=0.5)
        transport = client.socket.get_extra_info("socket")
        transport.shutdown(socket.SHUT_RDWR)
        await client.session.until(lambda: client.session.is_closed)
        assert client.session.typed == b""


async def _sent(
    web_socket: aiohttp.ClientWebSocketResponse, *, megabytes: int, within_s: float
) -> bool:
    """Whether so much could be typed."""
    try:
        async with asyncio.timeout(within_s):
            for _ in range(megabytes * 16):
                await web_socket.send_bytes(b"\x00" + b"x" * 65536)
    except TimeoutError:
        return False
    return True


async def test_the_guest_prints_no_faster_than_the_client_reads(people: People) -> None:
    async with (
        people.server,
        people.asking() as http,
        http.ws_connect(EXEC + ALL, protocols=(V4,)) as web_socket,
    ):
        session = await people.control.session()
        transport = web_socket._response.connection.transport  # type: ignore[union-attr]
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        for _ in range(500):
            session.prints(b"x" * 65536)
        assert await at_rest(lambda: session.printed_bytes) < 4 << 20
        transport.resume_reading()
        session.exits(0)
        got = sum(len(m) - 1 for m in await Client(web_socket, session).rest() if m[0] == 1)
    assert got == 500 * 65536


async def test_leaving_the_node_ends_every_session(people: People) -> None:
    async with people.talking() as client:
        session = client.session
    await session.until(lambda: session.is_closed)


# who is not let in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/exec/shop/web/app?command=ls", 400, "you must specify at least 1 of stdin"),
        ("/exec/shop/web/app?command=ls&error=1&tty=1", 400, "you must specify at least 1 of"),
        ("/exec/shop/web/app?command=ls&output=true", 400, "you must specify at least 1 of"),
        ("/exec/shop/web/app?output=1", 400, "you must specify a command"),
        ("/exec/shop/wbe/app?command=ls&output=1", 404, "pod does not exist"),
        ("/exec/other/web/app?command=ls&output=1", 404, "pod does not exist"),
        ("/exec/shop/web/another-uid/app?command=ls&output=1", 404, "pod does not exist"),
        ("/exec/shop/web/ap?command=ls&output=1", 404, 'container not found ("ap")'),
        ("/attach/shop/web/ap?output=1", 404, 'container not found ("ap")'),
        ("/exec/shop/web?command=ls&output=1", 404, "404: Page Not Found"),
    ],
)
async def test_what_cannot_be_is_said(people: People, path: str, status: int, text: str) -> None:
    told = await people.refusal(path)
    assert told[0] == status
    assert text in told[1]
    assert people.control.asked == []


async def test_a_container_that_does_not_run_is_not_entered(rig: Rig) -> None:
    rig.show(Story(a_pod(name="new")))
    ended = Story(a_pod(name="old", policy="Never")).runs()
    ended.exited(code=3)
    rig.show(ended)
    people = People(rig)
    for name, why in (("new", "ContainerCreating"), ("old", "Error")):
        status, text = await people.refusal(f"/exec/shop/{name}/app?command=ls&output=1")
        assert status == 400
        assert text == f'container "app" in pod "{name}" is not running: {why}'


async def test_who_asks_without_a_websocket_is_told(people: People) -> None:
    status, text = await people.refusal(EXEC + ALL, Upgrade="SPDY/3.1")
    assert (status, text) == (400, "Upgrade request required: websocket")


async def test_unknown_subprotocols_are_refused(people: People) -> None:
    headers = {"Sec-WebSocket-Protocol": "v6.channel.k8s.io, chat"}
    status, text = await people.refusal(EXEC + ALL, **headers)
    assert status == 403
    assert "v6.channel.k8s.io, chat; supports v5.channel.k8s.io, " in text


@pytest.mark.parametrize("path", [EXEC + ALL, "/attach/shop/web/app?output=1"])
async def test_over_https_it_is_not_supported_yet(people: People, path: str) -> None:
    rig = people.rig
    async with rig.serving(control=people.control):
        status, text = await rig.ask(path, rig.admin, method="POST")
        assert status == 501
        assert "is not supported by this Krustlet node yet" in text
    assert people.control.asked == []


async def test_over_https_it_can_be_switched_on(people: People) -> None:
    rig = people.rig
    async with rig.serving(control=people.control, streams=True), aiohttp.ClientSession() as http:
        url = rig.url(EXEC + ALL).replace("https", "wss")
        async with http.ws_connect(url, ssl=rig.trust(rig.admin), protocols=(V5,)) as web_socket:
            client = Client(web_socket, await people.control.session())
            client.session.exits(0)
            assert len(await client.rest()) == 2
    assert rig.reviewer.asked[0][1] == ("get", NODE, "proxy")
