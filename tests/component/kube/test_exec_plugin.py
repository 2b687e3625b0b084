"""Credentials come from a program, for as long as it says that they are good."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from krustlet.base import Instant
from krustlet.kube import CredentialsUnavailable, KubeClient, load_kubeconfig
from krustlet.kube.exec_plugin import ClusterInfo, ExecPlugin, Plugin
from krustlet.objects import PODS, to_rfc3339
from tests.component.kube.servers import Servers, a_config, a_status
from tests.support.authority import Authority

V1 = "client.authentication.k8s.io/v1"
NOW = Instant(1_800_000_000.0)


class StoppedClock:
    """Says `time` until told otherwise."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> Instant:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time = Instant(self.time + seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """Make a program of a few lines of shell that notes down each run."""

    def make(script: str) -> tuple[str, ...]:
        path = tmp_path / "plugin"
        path.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\n{script}\n")
        path.chmod(0o700)
        return (str(path),)

    return make


def a_plugin(command: tuple[str, ...], **more: object) -> Plugin:
    return msgspec.structs.replace(Plugin(api_version=V1, command=command), **more)


def says(**status: str) -> str:
    answer = {"apiVersion": V1, "kind": "ExecCredential", "status": status}
    return f"echo '{msgspec.json.encode(answer).decode()}'"


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


async def test_a_token_is_asked_for_once_and_again_when_it_is_about_to_expire(
    program: Callable[..., tuple[str, ...]], clock: StoppedClock, tmp_path: Path
) -> None:
    script = says(token="abc", expirationTimestamp=to_rfc3339(Instant(NOW + 600)))
    plugin = ExecPlugin(a_plugin(program(script)), clock)

    identities = await asyncio.gather(*(plugin.identity() for _ in range(5)))
    assert {one.authorization for one in identities} == {"Bearer abc"}
    clock.pass_by(589)
    await plugin.identity()
    assert runs(tmp_path) == 1

    clock.pass_by(2)
    await plugin.identity()
    assert runs(tmp_path) == 2


async def test_a_certificate_is_as_good_as_a_token(
    program: Callable[..., tuple[str, ...]], clock: StoppedClock, tmp_path: Path
) -> None:
    alice = Authority.create(tmp_path / "pki", "test").issue("alice")
    pair = {
        "clientCertificateData": alice.certificate.read_text(),
        "clientKeyData": alice.key.read_text(),
    }
    answer = {"apiVersion": V1, "kind": "ExecCredential", "status": pair}
    (tmp_path / "answer").write_bytes(msgspec.json.encode(answer))

    identity = await ExecPlugin(a_plugin(program(f"cat {tmp_path}/answer")), clock).identity()

    assert identity.authorization == ""
    assert identity.certificate is not None
    a_config("https://x").ssl_context(identity.certificate)


async def test_the_program_learns_what_the_kubeconfig_lets_it_know(
    program: Callable[..., tuple[str, ...]], clock: StoppedClock, tmp_path: Path
) -> None:
    command = program(
        f'echo "$KUBERNETES_EXEC_INFO $1 $REGION" > {tmp_path}/told; {says(token="t")}'
    )
    cluster = ClusterInfo(server="https://x", certificate_authority_data=b"pem")
    plugin = a_plugin((*command, "get-token"), environment={"REGION": "north"}, cluster=cluster)

    await ExecPlugin(plugin, clock).identity()

    told, argument, region = (tmp_path / "told").read_text().rsplit(maxsplit=2)
    assert (argument, region) == ("get-token", "north")
    assert msgspec.json.decode(told) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {"server": "https://x", "certificate-authority-data": "cGVt"},
        },
    }


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first >&2; echo 'log in first' >&2; exit 3", "exit code 3: log in first"),
        ("echo t0k3n", "its answer is no ExecCredential"),
        ("echo '{}'", "it answers in ''"),
        (says(), "neither a token"),
        (says(token="t0k3n with spaces"), "neither a token"),
        (says(token="t0k3n", expirationTimestamp="soon"), "its expirationTimestamp is none"),
    ],
)
async def test_a_program_that_has_nothing_to_offer_says_why_and_gives_nothing_away(
    program: Callable[..., tuple[str, ...]], clock: StoppedClock, script: str, why: str
) -> None:
    with pytest.raises(CredentialsUnavailable, match=why) as caught:
        await ExecPlugin(a_plugin(program(script)), clock).identity()
    assert "t0k3n" not in str(caught.value)


async def test_who_lacks_the_program_is_told_where_to_get_it(clock: StoppedClock) -> None:
    plugin = a_plugin(("/no/such/plugin",), install_hint="apt install plugin")
    with pytest.raises(CredentialsUnavailable, match="plugin: it cannot be run: No such") as caught:
        await ExecPlugin(plugin, clock).identity()
    assert caught.value.hint == "apt install plugin"


async def test_a_program_that_nobody_waits_for_is_ended(
    program: Callable[..., tuple[str, ...]], clock: StoppedClock, tmp_path: Path
) -> None:
    command = program(f"echo $$ > {tmp_path}/pid; exec sleep 60")

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await ExecPlugin(a_plugin(command), clock).identity()

    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_token_that_the_server_does_not_take_is_asked_for_anew(
    servers: Servers, program: Callable[..., tuple[str, ...]], clock: StoppedClock, tmp_path: Path
) -> None:
    """The program says how often it was run."""
    counts = f"n=$(wc -l < {tmp_path}/runs)"
    command = program(f"{counts}; " + says(token="NUMBER").replace("NUMBER", "'$n'"))
    plugin = ExecPlugin(a_plugin(command), clock)
    taken = "Bearer 1"

    async def door(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != taken:
            return a_status(401, "Unauthorized")
        return web.json_response({"metadata": {"name": "web"}})

    async with KubeClient(a_config(await servers.http(door), plugin)) as client:
        await client.get(PODS, "web", namespace="default")
        clock.pass_by(60)
        taken = "Bearer 2"
        await client.get(PODS, "web", namespace="default")

    assert runs(tmp_path) == 2


async def test_a_server_that_takes_no_token_does_not_make_us_ask_each_time(
    servers: Servers, program: Callable[..., tuple[str, ...]], clock: StoppedClock, tmp_path: Path
) -> None:
    plugin = ExecPlugin(a_plugin(program(says(token="t"))), clock)

    async def nobody(_: web.Request) -> web.Response:
        return a_status(401, "Unauthorized")

    async with KubeClient(a_config(await servers.http(nobody), plugin)) as client:
        for _ in range(5):
            with pytest.raises(Exception, match="Unauthorized"):
                await client.get(PODS, "web", namespace="default")

    assert runs(tmp_path) == 1


async def test_a_kubeconfig_finds_the_program_beside_it(
    program: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    program(says(token="abc"))
    user = {"exec": {"command": "./plugin", "apiVersion": V1, "interactiveMode": "Never"}}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://x"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_bytes(msgspec.json.encode(config))

    identity = await load_kubeconfig(tmp_path / "config").credentials.identity()

    assert identity.authorization == "Bearer abc"
