"""The socket of this machine: for whom, and for how long."""

import asyncio
import fcntl
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from krustlet.server import (
    SOCKET_NAME,
    Https,
    ListenFailed,
    LocalApiTaken,
    NodeServer,
    short_address,
)
from krustlet.server.listening import LocalSocket
from tests.component.server.rig import HOST, NODE, FakePods, Rig
from tests.support.ordinary_user import as_ordinary_user


def a_node(root: Path) -> NodeServer:
    return NodeServer(FakePods(), root=root, logs=root / "logs")


async def ask(path: Path, target: str) -> tuple[int, str]:
    with short_address(path) as address:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(address)) as session,
            session.get(f"http://localhost{target}") as answer,
        ):
            return answer.status, await answer.text()


async def test_no_credentials_are_needed(rig: Rig) -> None:
    rig.prints(rig.running().pod, "hello")
    async with NodeServer(rig.pods, root=rig.root, logs=rig.logs) as server:
        assert server.port == 0
        assert await ask(server.socket_path, "/containerLogs/shop/web/app") == (200, "hello\n")
        assert await ask(server.socket_path, "/no/such") == (404, "404: Page Not Found\n")


async def test_it_is_served_beside_https(rig: Rig) -> None:
    async with rig.serving() as server:
        assert await ask(server.socket_path, "/healthz") == (200, "ok")
        assert (await rig.ask("/healthz"))[0] == 401
    assert rig.reviewer.asked == []


async def test_the_socket_is_private_and_goes_with_the_node(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        async with a_node(tmp_path / "root") as server:
            assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o600
            assert stat.S_IMODE(server.socket_path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(umask)
    assert not server.socket_path.exists()


async def test_the_path_may_be_long(tmp_path: Path) -> None:
    root = tmp_path / ("d" * 100) / ("e" * 100)
    async with a_node(root) as server:
        assert await ask(root / SOCKET_NAME, "/healthz") == (200, "ok")
    assert not server.socket_path.exists()


async def test_a_socket_that_a_killed_node_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_NAME))
        left.listen()
    async with a_node(tmp_path) as server:
        assert await ask(server.socket_path, "/healthz") == (200, "ok")


async def test_a_second_node_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with a_node(tmp_path) as first:
        with pytest.raises(LocalApiTaken, match="another node serves") as caught:
            async with a_node(tmp_path):
                pass
        assert "--data-dir" in caught.value.hint
        assert await ask(first.socket_path, "/healthz") == (200, "ok")


async def test_a_node_that_takes_no_connections_just_now_lives_too(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(tmp_path / SOCKET_NAME))
        busy.listen(0)
        waiting.connect(str(tmp_path / SOCKET_NAME))
        with pytest.raises(LocalApiTaken):
            async with a_node(tmp_path):
                pass


def test_one_of_many_that_start_at_once_serves(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / SOCKET_NAME))
    script = f"""
import asyncio, sys
from pathlib import Path
from krustlet.server import LocalApiTaken, NodeServer
from tests.component.server.rig import FakePods
async def main():
    root = Path({str(tmp_path)!r})
    try:
        async with NodeServer(FakePods(), root=root, logs=root):
            print("serves", flush=True)
            await asyncio.to_thread(sys.stdin.read)
    except LocalApiTaken:
        print("refused", flush=True)
asyncio.run(main())
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            text=True,
        )
        for _ in range(4)
    ]
    try:
        said = [_last_line(child) for child in children]
        assert sorted(said) == ["refused"] * 3 + ["serves"]
    finally:
        for child in children:
            child.communicate("")


def _last_line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() in ("serves", "refused"):
            return line.strip()
    return "ended"


async def test_between_looking_and_listening_nobody_else_is_let_in(tmp_path: Path) -> None:
    with (tmp_path / ".krustlet.sock.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        starting = asyncio.create_task(asyncio.to_thread(LocalSocket, tmp_path / SOCKET_NAME))
        assert await asyncio.wait([starting], timeout=0.2) == (set(), {starting})
    (await starting).close()


async def test_something_else_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME).write_text("precious")
    with pytest.raises(ListenFailed, match="no socket"):
        async with a_node(tmp_path):
            pass
    assert (tmp_path / SOCKET_NAME).read_text() == "precious"


@pytest.mark.root
async def test_another_user_is_refused_though_he_can_reach_the_socket(tmp_path: Path) -> None:
    async with a_node(tmp_path) as server:
        tmp_path.chmod(0o755)
        server.socket_path.chmod(0o666)
        script = f"""
import socket
connection = socket.socket(socket.AF_UNIX)
connection.connect({str(server.socket_path)!r})
connection.sendall(b"GET /pods HTTP/1.0\\r\\n\\r\\n")
print(connection.recv(4096).split()[1].decode())
"""
        prefix = [*as_ordinary_user([tmp_path]), str(tmp_path)]
        run = await asyncio.to_thread(
            subprocess.run,
            [*prefix, sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (run.stdout, run.stderr) == ("403\n", "")


async def test_root_may_ask_an_ordinary_users_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    async with a_node(tmp_path) as server:
        assert (await ask(server.socket_path, "/healthz"))[0] == (200 if ours == 0 else 403)


# the port -----------------------------------------------------------------------------------------


async def test_a_port_in_use_is_told_with_what_to_do(rig: Rig) -> None:
    async with rig.serving() as server:
        other = NodeServer(
            FakePods(),
            root=rig.root.with_name("other"),
            logs=rig.logs,
            https=Https(node=NODE, reviewer=rig.reviewer, address=HOST, port=server.port),
        )
        with pytest.raises(ListenFailed, match=f"port {server.port} of {HOST} is in use") as caught:
            async with other:
                pass
        assert "--port" in caught.value.hint
        assert not other.socket_path.exists()


@pytest.mark.parametrize("address", ["192.0.2.1", "nonsense"])
async def test_an_address_that_is_not_ours_is_told(rig: Rig, address: str) -> None:
    with pytest.raises(ListenFailed, match="no address of this machine"):
        async with rig.serving(address=address):
            pass


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
async def test_all_addresses_may_be_meant(rig: Rig, address: str) -> None:
    async with rig.serving(address=address):
        assert await rig.ask("/healthz", rig.admin) == (200, "ok")
