"""Who is let in over HTTPS: certificates, tokens, rights."""

import asyncio
import shutil
import socket
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from krustlet.objects import UserInfo
from krustlet.server import Action, CertificateUnusable
from tests.component.server.rig import HOST, NODE, Rig
from tests.support.authority import Authority

PATHS = ("/pods", "/healthz", "/containerLogs/a/b/c", "/metrics", "/no/such/path", "/")


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_is_told_anything_without_credentials(rig: Rig, path: str) -> None:
    async with rig.serving():
        assert await rig.ask(path) == (HTTPStatus.UNAUTHORIZED, "Unauthorized")
    assert rig.reviewer.asked == []


async def test_a_certificate_tells_user_and_groups(rig: Rig) -> None:
    async with rig.serving():
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK
    user = UserInfo(username="admin", groups=("admins", "system:authenticated"))
    assert rig.reviewer.asked == [
        (user, Action("get", NODE, "pods")),
        (user, Action("get", NODE, "proxy")),
    ]


async def test_a_certificate_of_another_authority_is_refused(rig: Rig, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path / "other", "clients").issue("admin", groups=["admins"])
    async with rig.serving():
        with pytest.raises(aiohttp.ClientError):
            await rig.ask("/pods", stranger)
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK


async def test_without_an_authority_no_certificate_counts(rig: Rig) -> None:
    async with rig.serving(client_ca=b""):
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.UNAUTHORIZED


async def test_an_authority_may_be_given_as_bytes(rig: Rig) -> None:
    async with rig.serving(client_ca=rig.authority.certificate.read_bytes()):
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK


async def test_a_token_is_reviewed_once_in_a_while(rig: Rig) -> None:
    rig.reviewer.tokens["t0ken"] = UserInfo(username="bob", uid="7", groups=("devs",))
    rig.reviewer.rights["bob"] = {"pods"}
    async with rig.serving():
        for _ in range(3):
            assert (await rig.ask("/pods", token="t0ken"))[0] == HTTPStatus.OK
    user = UserInfo(username="bob", uid="7", groups=("devs", "system:authenticated"))
    assert rig.reviewer.asked == ["t0ken", (user, Action("get", NODE, "pods"))]


async def test_many_with_one_token_ask_once(rig: Rig) -> None:
    rig.reviewer.tokens["t0ken"] = UserInfo(username="admin")
    async with rig.serving():
        answers = await asyncio.gather(*(rig.ask("/pods", token="t0ken") for _ in range(20)))
    assert {status for status, _ in answers} == {HTTPStatus.OK}
    assert len(rig.reviewer.asked) == 3  # the token, and two subresources


@pytest.mark.parametrize("token", ["unknown", "x" * 33_000])
async def test_a_token_that_nobody_knows_is_refused(rig: Rig, token: str) -> None:
    async with rig.serving():
        for _ in range(2):
            assert await rig.ask("/pods", token=token) == (401, "Unauthorized")
    assert rig.reviewer.asked in ([token], [])  # what is too long is nobody asked about


@pytest.mark.parametrize("header", ["Basic YWJj", "Bearer", "Bearer ", "t0ken", ""])
async def test_other_headers_are_no_tokens(rig: Rig, header: str) -> None:
    async with rig.serving():
        status, _ = await rig.ask("/pods", headers={"Authorization": header})
    assert (status, rig.reviewer.asked) == (401, [])


async def test_when_no_token_can_be_reviewed_nobody_is_let_in(rig: Rig) -> None:
    rig.reviewer.tokens["t0ken"] = UserInfo(username="admin")
    rig.reviewer.is_away = True
    async with rig.serving():
        assert await rig.ask("/pods", token="t0ken") == (401, "Unauthorized")
        rig.reviewer.is_away = False
        assert (await rig.ask("/pods", token="t0ken"))[0] == HTTPStatus.OK


@pytest.mark.parametrize(
    ("method", "path", "verb", "subresources"),
    [
        ("GET", "/pods", "get", "pods proxy"),
        ("GET", "/runningpods/", "get", "pods proxy"),
        ("GET", "/healthz/ping", "get", "healthz proxy"),
        ("GET", "/configz", "get", "configz proxy"),
        ("GET", "/containerLogs/a/b/c", "get", "proxy"),
        ("POST", "/exec/a/b/c", "create", "proxy"),
        ("PUT", "/anything", "update", "proxy"),
        ("DELETE", "/podsand", "delete", "proxy"),
        ("PATCH", "/", "patch", "proxy"),
        ("GET", "/metrics/resource", "get", "metrics"),
        ("GET", "/stats/summary", "get", "stats"),
        ("GET", "/logs/", "get", "log"),
        ("POST", "/checkpoint/a/b/c", "create", "checkpoint"),
    ],
)
async def test_who_may_not_is_told_what(
    rig: Rig, method: str, path: str, verb: str, subresources: str
) -> None:
    rig.reviewer.tokens["t0ken"] = UserInfo(username="bob")
    async with rig.serving():
        status, text = await rig.ask(path, token="t0ken", method=method)
    assert status == HTTPStatus.FORBIDDEN
    assert text == (
        f"Forbidden (user=bob, verb={verb}, resource=nodes, subresource(s)=[{subresources}])\n"
    )


@pytest.mark.parametrize("right", ["pods", "proxy"])
async def test_either_right_is_enough(rig: Rig, right: str) -> None:
    rig.reviewer.rights["admin"] = {right}
    async with rig.serving():
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK


async def test_when_nobody_can_tell_it_is_an_error_that_is_not_remembered(rig: Rig) -> None:
    rig.reviewer.is_away = True
    async with rig.serving():
        status, text = await rig.ask("/pods", rig.admin)
        assert status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert text == (
            "Authorization error (user=admin, verb=get, resource=nodes, subresource=pods)"
        )
        rig.reviewer.is_away = False
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK


async def test_unknown_paths_are_known_only_to_whom_may_ask(rig: Rig) -> None:
    async with rig.serving():
        assert await rig.ask("/no/such", rig.admin) == (404, "404: Page Not Found\n")
        assert (await rig.ask("/pods", rig.admin, method="POST"))[0] == 405


# authorities that change --------------------------------------------------------------------------


async def test_a_new_authority_is_believed_at_once(rig: Rig, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", "others")
    admin = other.issue("admin")
    async with rig.serving():
        with pytest.raises(aiohttp.ClientError):
            await rig.ask("/pods", admin)
        both = rig.authority.certificate.read_text() + other.certificate.read_text()
        rig.authority.certificate.write_text(both)
        assert (await rig.ask("/pods", admin))[0] == HTTPStatus.OK
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK


async def test_an_authority_that_is_gone_is_believed_no_more_even_on_open_connections(
    rig: Rig, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", "others")
    async with rig.serving(), aiohttp.ClientSession() as session:
        trust = rig.trust(rig.admin)

        async def status() -> int:
            async with session.get(rig.url("/pods"), ssl=trust) as answer:
                await answer.read()
                return answer.status

        assert await status() == HTTPStatus.OK
        shutil.copy(other.certificate, rig.authority.certificate)
        assert await status() == HTTPStatus.UNAUTHORIZED  # on the same connection
        with pytest.raises(aiohttp.ClientError):
            await rig.ask("/pods", rig.admin)
        assert (await rig.ask("/pods", other.issue("admin")))[0] == HTTPStatus.OK


async def test_an_open_connection_outlives_an_authority_that_joins(
    rig: Rig, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", "others")
    async with rig.serving(), aiohttp.ClientSession() as session:
        trust = rig.trust(rig.admin)
        for _ in range(2):
            async with session.get(rig.url("/pods"), ssl=trust) as answer:
                assert answer.status == HTTPStatus.OK
            with rig.authority.certificate.open("a") as file:
                file.write(other.certificate.read_text())


async def test_half_an_authority_is_not_taken_for_one(rig: Rig) -> None:
    whole = rig.authority.certificate.read_text()
    async with rig.serving():
        rig.authority.certificate.write_text(whole[: len(whole) // 2])
        assert (await rig.ask("/pods", rig.admin))[0] == HTTPStatus.OK


async def test_an_authority_that_is_none_is_told_at_once(rig: Rig, tmp_path: Path) -> None:
    for client_ca in (b"nonsense", tmp_path / "absent"):
        with pytest.raises(CertificateUnusable, match="client authority"):
            async with rig.serving(client_ca=client_ca):
                pass
    async with rig.serving():  # nothing of the failed ones is in the way
        pass


# transport ----------------------------------------------------------------------------------------


async def test_http_in_the_clear_is_refused(rig: Rig) -> None:
    async with rig.serving() as server:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(b"GET /pods HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1 200" not in await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="path"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 200_000 + b"\r\n\r\n", id="header"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 10_000 + b"\r\n", id="headers"
        ),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n", id="body"),
    ],
)
async def test_requests_of_no_sensible_size_are_refused(rig: Rig, request_: bytes) -> None:
    async with rig.serving() as server:
        reader, writer = await asyncio.open_connection(HOST, server.port, ssl=rig.trust())
        writer.write(request_)
        assert (await reader.readline()).split()[1] in (b"400", b"413", b"431")
        writer.close()


async def test_tokens_are_in_no_log(
    rig: Rig, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    secret = "s3cr3t-t0ken"
    async with rig.serving() as server:
        await rig.ask("/pods", token=secret)
        rig.reviewer.is_away = True
        await rig.ask("/pods", token=f"{secret}2")
        reader, writer = await asyncio.open_connection(HOST, server.port, ssl=rig.trust())
        writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {secret}\0\r\n\r\n".encode())
        await reader.read()
        writer.close()
    said = "".join(capfd.readouterr()) + caplog.text
    assert "server.token_not_reviewed" in said
    assert secret not in said


async def test_a_client_that_says_nothing_keeps_nobody_else_waiting(rig: Rig) -> None:
    async with rig.serving() as server:
        silent = [socket.create_connection((HOST, server.port)) for _ in range(50)]
        assert (await rig.ask("/healthz", rig.admin)) == (200, "ok")
        for connection in silent:
            connection.close()
