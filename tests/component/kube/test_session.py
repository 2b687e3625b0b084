"""Every request is answered, refused or given up in time, over real connections."""

import asyncio
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from krustlet import __version__
from krustlet.kube import (
    ApiError,
    ApiUnavailable,
    ClientCertificate,
    CredentialsUnavailable,
    KubeClient,
    NotFound,
    PatchKind,
    TooManyRequests,
    Unauthorized,
    UnreadableAnswer,
)
from krustlet.kube.credentials import FixedCredentials, Identity, TokenFile
from krustlet.objects import PODS, Pod
from tests.component.kube.servers import Servers, a_config, a_status
from tests.support.authority import Authority
from tests.support.silent_peer import SilentPeer

A_POD = b'{"kind":"Pod","metadata":{"name":"web","uid":"u1"}}'


def a_pod() -> web.Response:
    return web.Response(body=A_POD, content_type="application/json")


class Recorder:
    """Answers with each of `answers` in turn, and with the last one from then on."""

    def __init__(self, *answers: web.Response) -> None:
        self._answers = answers
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request.method, request.path_qs, dict(request.headers.items()), body))
        answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    @property
    def count(self) -> int:
        return len(self.requests)


async def get(client: KubeClient) -> Pod:
    return await client.get(PODS, "web", namespace="default")


async def status_patch(client: KubeClient) -> Pod:
    patch = {"status": {"phase": "Running"}}
    return await client.patch(PODS, "web", patch, namespace="default", subresource="status")


# what is sent ------------------------------------------------------------------------------------


async def test_a_request_says_who_we_are_and_what_we_understand(servers: Servers) -> None:
    recorder = Recorder(a_pod())
    credentials = FixedCredentials(Identity("Bearer abc"))
    config = a_config(f"{await servers.http(recorder)}/prefix", credentials)

    async with KubeClient(config) as client:
        pod = await get(client)

    method, path, headers, body = recorder.requests[0]
    assert (pod.name, pod.uid) == ("web", "u1")
    assert (method, path, body) == ("GET", "/prefix/api/v1/namespaces/default/pods/web", b"")
    del headers["Host"]
    assert headers == {
        "Accept": "application/json",
        "Authorization": "Bearer abc",
        "User-Agent": f"krustlet/{__version__}",
    }


@pytest.mark.parametrize("kind", PatchKind)
async def test_each_patch_says_of_what_kind_it_is(servers: Servers, kind: PatchKind) -> None:
    recorder = Recorder(a_pod())

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        await client.patch(PODS, "web", [1], namespace="default", kind=kind, force=True)
        await client.patch(PODS, "web", b"[2]", namespace="default", kind=kind)

    (method, path, headers, body), (_, _, _, as_it_is) = recorder.requests
    assert (method, headers["Content-Type"], body, as_it_is) == ("PATCH", kind, b"[1]", b"[2]")
    owner = "fieldManager=krustlet&" if kind is PatchKind.APPLY else ""
    assert path.endswith(f"/pods/web?{owner}force=true")


async def test_a_deletion_names_what_has_to_be_true(servers: Servers) -> None:
    recorder = Recorder(a_status(200, "done"))

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        await client.delete(PODS, "web", namespace="default")
        await client.delete(
            PODS, "web", namespace="default", grace_period_s=0, uid="u1", resource_version="7"
        )

    whole = b'{"kind":"DeleteOptions","apiVersion":"v1"'
    assert [body for *_, body in recorder.requests] == [
        whole + b"}",
        whole + b',"gracePeriodSeconds":0,"preconditions":{"uid":"u1","resourceVersion":"7"}}',
    ]


async def test_nothing_without_a_name_is_ever_deleted(servers: Servers) -> None:
    recorder = Recorder(a_status(200, "done"))

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        with pytest.raises(ValueError, match="names nothing"):
            await client.delete(PODS, "", namespace="default")

    assert recorder.count == 0


# a server that has too much to do ----------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again_when_it_says_so(servers: Servers, status: int) -> None:
    busy = a_status(status, "later", **{"Retry-After": "0.1"})
    recorder = Recorder(busy, busy, a_pod())

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        begun = time.monotonic()
        await client.create(PODS, Pod(), namespace="default")

    assert recorder.count == 3
    assert time.monotonic() - begun >= 0.2


async def test_a_server_that_stays_busy_is_given_up(servers: Servers) -> None:
    recorder = Recorder(a_status(429, "later", **{"Retry-After": "0"}))

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        with pytest.raises(TooManyRequests, match="later"):
            await get(client)

    assert recorder.count == 5


async def test_nobody_waits_for_a_time_that_comes_too_late(servers: Servers) -> None:
    recorder = Recorder(a_status(429, "later", **{"Retry-After": "60"}))

    async with KubeClient(a_config(await servers.http(recorder)), timeout_s=5) as client:
        begun = time.monotonic()
        with pytest.raises(TooManyRequests) as caught:
            await get(client)

    assert (recorder.count, caught.value.retry_after_s) == (1, 60)
    assert time.monotonic() - begun < 4


async def test_a_failure_without_a_time_is_for_the_caller_to_judge(servers: Servers) -> None:
    recorder = Recorder(web.Response(status=503, text="no upstream"))

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        with pytest.raises(ApiUnavailable, match="503 Service Unavailable: no upstream"):
            await get(client)

    assert recorder.count == 1


# answers that do not come -----------------------------------------------------------------------


async def test_a_server_that_says_nothing_is_given_up(servers: Servers) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with KubeClient(a_config(await servers.http(silent)), timeout_s=0.2) as client:
        with pytest.raises(ApiUnavailable, match="gave no answer in time") as caught:
            await get(client)
    assert caught.value.retryable


async def test_an_answer_that_stops_halfway_is_given_up(servers: Servers) -> None:
    async def halfway(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"kind":')
        await asyncio.sleep(60)
        return response

    async with KubeClient(a_config(await servers.http(halfway)), timeout_s=0.2) as client:
        with pytest.raises(ApiUnavailable, match="gave no answer in time"):
            await get(client)


async def test_where_nobody_listens_one_is_told_to_look(servers: Servers) -> None:
    async def nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None: ...

    closed = "http://127.0.0.1:1"
    async with KubeClient(a_config(closed)) as client:
        with pytest.raises(ApiUnavailable, match="Connection refused") as caught:
            await get(client)
    assert caught.value.hint == f"is an API server running at {closed}?"


async def test_what_is_no_object_is_said_to_be_none(servers: Servers) -> None:
    async with KubeClient(a_config(await servers.http(Recorder(web.Response(text="hi"))))) as it:
        with pytest.raises(UnreadableAnswer, match="the answer is not understood"):
            await get(it)


async def test_nobody_is_sent_elsewhere_with_our_token(servers: Servers) -> None:
    recorder = Recorder(web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}))

    async with KubeClient(a_config(await servers.http(recorder))) as client:
        with pytest.raises(ApiError, match="302 Found") as caught:
            await get(client)

    assert (caught.value.status, recorder.count) == (302, 1)


class OneAnswerEach:
    """Answers the first request of each connection; whoever sends a second finds it closed."""

    def __init__(self, *, rudely: bool = False) -> None:
        self.received: list[str] = []
        self._rudely = rudely

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for is_first in (True, False):
            head = await reader.readuntil(b"\r\n\r\n")
            self.received.append(head.split()[0].decode())
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    await reader.readexactly(int(line.split()[1]))
            if is_first:
                size = str(len(A_POD)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n" + A_POD)
                await writer.drain()
        if self._rudely:  # a reset instead of an end
            no_time = struct.pack("ii", 1, 0)
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_time)
            writer.transport.abort()


@pytest.mark.parametrize("rudely", [False, True])
async def test_a_connection_that_was_just_closed_is_made_again(
    servers: Servers, rudely: bool
) -> None:
    server = OneAnswerEach(rudely=rudely)
    async with KubeClient(a_config(await servers.raw(server))) as client:
        await get(client)
        assert (await get(client)).name == "web"
        assert (await status_patch(client)).name == "web"
        await client.delete(PODS, "web", namespace="default")

    assert server.received == ["GET", "GET", "GET", "PATCH", "PATCH", "DELETE", "DELETE"]


async def test_what_may_not_be_done_twice_is_not_sent_twice(servers: Servers) -> None:
    server = OneAnswerEach()
    async with KubeClient(a_config(await servers.raw(server))) as client:
        for attempt in (
            client.create(PODS, Pod(), namespace="default"),
            client.patch(PODS, "web", [], namespace="default", kind=PatchKind.JSON),
        ):
            await get(client)
            with pytest.raises(ApiUnavailable, match="disconnected"):
                await attempt

    assert server.received == ["GET", "POST", "GET", "PATCH"]


async def test_nothing_is_open_any_more_though_the_server_never_says_goodbye(
    authority: Authority,
) -> None:
    told = b'{"type":"ADDED","object":%b}\n' % A_POD
    with SilentPeer.listening(authority, told) as peer:
        config = a_config(f"https://{peer.address}", ca=authority.certificate.read_bytes())
        async with KubeClient(config) as client:
            events = client.watch(PODS)
            event, _ = await asyncio.gather(anext(events), peer.begin())
            assert event.object.name == "web"
            await events.aclose()
            assert peer.clients() == 1
        assert peer.clients() == 0


# who we are --------------------------------------------------------------------------------------


class Doorkeeper:
    """Lets in whoever has `token`."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked = 0

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked += 1
        known = request.headers.get("Authorization") == f"Bearer {self.token}"
        return a_pod() if known else a_status(401, "Unauthorized")


async def test_a_token_that_was_replaced_on_disk_is_read_anew(
    servers: Servers, tmp_path: Path
) -> None:
    door = Doorkeeper("first")
    (tmp_path / "token").write_text("first\n")
    credentials = TokenFile(tmp_path / "token", None)

    async with KubeClient(a_config(await servers.http(door), credentials)) as client:
        await get(client)
        door.token = "second"
        (tmp_path / "token").write_text("second\n")
        await client.create(PODS, Pod(), namespace="default")  # that, too: nothing was done yet

        door.token = "third"
        with pytest.raises(Unauthorized):
            await get(client)
        assert door.asked == 4  # nothing new on disk: no second try

        (tmp_path / "token").write_text("")
        with pytest.raises(CredentialsUnavailable, match="does not hold one token"):
            await get(client)


async def test_a_server_that_takes_no_token_at_all_is_asked_twice(servers: Servers) -> None:
    class AlwaysAnother:
        number = 0

        async def identity(self) -> Identity:
            return Identity(f"Bearer {self.number}")

        def reject(self, identity: Identity) -> None:
            self.number += 1

    door = Doorkeeper("other")
    async with KubeClient(a_config(await servers.http(door), AlwaysAnother())) as client:
        with pytest.raises(Unauthorized):
            await get(client)

    assert door.asked == 2


async def test_a_token_that_cannot_change_is_refused_once(servers: Servers) -> None:
    door = Doorkeeper("other")
    credentials = FixedCredentials(Identity("Bearer abc"))

    async with KubeClient(a_config(await servers.http(door), credentials)) as client:
        with pytest.raises(Unauthorized) as caught:
            await get(client)

    assert (door.asked, caught.value.status) == (1, 401)


# TLS ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("pki"), "test")


def server_tls(authority: Authority, *hosts: str) -> ssl.SSLContext:
    context = authority.issue("server", hosts=hosts).server_context()
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def name_of_peer(request: web.Request) -> web.Response:
    """A pod of the name of whoever asks."""
    assert request.transport is not None
    certificate: dict[str, Any] = request.transport.get_extra_info("peercert") or {}
    names = dict(part[0] for part in certificate.get("subject", ()))
    return web.json_response({"metadata": {"name": names.get("commonName", "nobody")}})


class Rotated:
    """Credentials that a test takes the first of `identities` away from."""

    def __init__(self, *identities: Identity) -> None:
        self.identities = list(identities)

    async def identity(self) -> Identity:
        return self.identities[0]

    def reject(self, identity: Identity) -> None:
        raise AssertionError(f"{identity} has been refused")


async def test_a_rotated_certificate_is_shown_from_then_on(
    servers: Servers, authority: Authority, tmp_path: Path
) -> None:
    def of(path: Path) -> Identity:
        return Identity("", ClientCertificate(path, path))

    paths = [tmp_path / user for user in ("alice", "bob")]
    for path in paths:
        issued = authority.issue(path.name)
        path.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
    (half := tmp_path / "half").write_text("half a certif")
    credentials = Rotated(*map(of, paths), of(half))
    url = await servers.http(name_of_peer, server_tls(authority, "127.0.0.1"))
    config = a_config(url, credentials, ca=authority.certificate.read_bytes())

    async with KubeClient(config) as client:
        for path in paths:
            assert [(await get(client)).name for _ in range(2)] == [path.name, path.name]
            credentials.identities.pop(0)
        with pytest.raises(CredentialsUnavailable, match="cannot be used"):
            await get(client)


async def test_a_server_may_be_known_by_another_name(
    servers: Servers, authority: Authority
) -> None:
    url = await servers.http(name_of_peer, server_tls(authority, "kubernetes.default"))
    ca = authority.certificate.read_bytes()

    async with KubeClient(a_config(url, ca=ca, tls_server_name="kubernetes.default")) as client:
        assert (await get(client)).name == "nobody"
    async with KubeClient(a_config(url, ca=ca)) as client:
        with pytest.raises(ApiUnavailable, match=r"IP address mismatch.*127\.0\.0\.1"):
            await get(client)


async def test_a_server_that_nobody_vouches_for_gets_no_request(
    servers: Servers, authority: Authority, tmp_path: Path
) -> None:
    url = await servers.http(name_of_peer, server_tls(authority, "127.0.0.1"))
    other = Authority.create(tmp_path, "other").certificate.read_bytes()

    async with KubeClient(a_config(url, ca=other)) as client:
        with pytest.raises(ApiUnavailable, match="self-signed certificate") as caught:
            await get(client)
    assert "certificate-authority" in caught.value.hint

    async with KubeClient(a_config(url, ca=other, insecure_skip_verify=True)) as client:
        assert (await get(client)).name == "nobody"


async def test_a_proxy_is_asked_in_place_of_the_server(servers: Servers) -> None:
    proxy = Recorder(a_pod())
    config = a_config("http://far.away:8080", proxy_url=await servers.http(proxy))

    async with KubeClient(config) as client:
        assert (await get(client)).name == "web"

    assert proxy.requests[0][2]["Host"] == "far.away:8080"


async def test_a_missing_object_is_not_found(servers: Servers) -> None:
    async with KubeClient(a_config(await servers.http(Recorder(a_status(404, "gone"))))) as client:
        with pytest.raises(NotFound, match="gone"):
            await get(client)
