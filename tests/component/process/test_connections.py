"""Who may talk to a supervisor, how it is found, and what it puts up with."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.process import Ended, Started, SupervisorUnavailable, connect
from krustlet.process import connections as connections_room
from krustlet.process.connections import Connection
from krustlet.process.messages import (
    PROTOCOL,
    AnyMessage,
    End,
    Hello,
    Known,
    Quit,
    Refused,
    Start,
    Welcome,
    receive,
    send,
)
from krustlet.process.messages import (
    Ended as EndedMessage,
)
from krustlet.process.spawn import only_one
from tests.support.ordinary_user import UID
from tests.support.processes import descriptors, is_alive, processes_of, supervisors_of
from tests.support.script_provider import a_kubelet, wait_for
from tests.support.supervised import LIMIT_S, Supervised, settings
from tests.support.until import until, until_not

STRANGER = """
import os, socket, sys
os.setresgid(UID, UID, UID)
os.setresuid(UID, UID, UID)
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.settimeout(10)
connection.connect(sys.argv[1])
try:
    connection.send(bytes.fromhex(sys.argv[2]))
    print("heard", connection.recv(65536))
except (BrokenPipeError, ConnectionResetError):
    print("heard", b"")
"""


@contextlib.contextmanager
def dialled(supervised: Supervised) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(LIMIT_S)
        connection.connect(str(supervised.settings.directory / "supervisor.sock"))
        yield connection


# finding one --------------------------------------------------------------------------------------


@pytest.fixture
def tiny() -> Iterator[Path]:
    """A directory with a path short enough for a socket's to fit a plain call of `connect`."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


async def test_a_path_longer_than_a_sockets_may_be(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    async with Supervised(deep) as supervised:
        await supervised.toy(id_="a")
        assert (await supervised.end("a")).code == 0
        assert (await supervised.connect()).known.keys() == {"a"}


async def test_the_socket_of_a_dead_supervisor_is_replaced(tmp_path: Path) -> None:
    with a_kubelet(tmp_path):
        pass
    pids = processes_of(tmp_path)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until_not(lambda: [*filter(is_alive, pids)])  # while it ends, it listens
    assert (tmp_path / "supervisor" / "supervisor.sock").is_socket()
    async with Supervised(tmp_path) as supervised:
        await supervised.toy(id_="a")
        assert (await supervised.end("a")).code == 0


async def test_a_file_in_its_place_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "supervisor").mkdir()
    (tmp_path / "supervisor" / "supervisor.sock").write_text("no socket")
    async with Supervised(tmp_path) as supervised:
        await supervised.toy(id_="a")
        assert (await supervised.end("a")).code == 0


async def test_kubelets_that_come_at_once_find_one_supervisor(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        kubelets = [stack.enter_context(a_kubelet(tmp_path, ready=False)) for _ in range(4)]
        for kubelet in kubelets:
            wait_for(kubelet)
        leaders = supervisors_of(tmp_path)
    async with Supervised(tmp_path) as supervised:
        assert leaders == [supervised.pid]


async def test_only_one_at_a_time_looks_for_a_supervisor(tmp_path: Path) -> None:
    """Else two would find none, and each start one in place of the other's."""
    directory = settings(tmp_path).directory
    with only_one(directory), a_kubelet(tmp_path, ready=False) as kubelet:
        await asyncio.to_thread(until, lambda: _waits_for_lock(kubelet.pid))
        assert processes_of(tmp_path) == [kubelet.pid]


def _waits_for_lock(pid: int) -> bool:
    return "->" in "".join(
        line for line in Path("/proc/locks").read_text().splitlines() if f" {pid} " in line
    )


async def test_one_that_ends_as_it_starts_is_told_of(tmp_path: Path) -> None:
    broken = settings(tmp_path, runners=["tests.support.script_runner:Unprepared"])
    supervisor = await connect(broken, on_event=print, on_lost=lambda: None)
    before = descriptors()
    with pytest.raises(SupervisorUnavailable, match="the supervisor is gone") as caught:
        await supervisor.__aenter__()
    assert caught.value.hint == f"see {broken.log}"
    assert "no engine here" in broken.log.read_text()
    assert len(descriptors()) < len(before)
    assert processes_of(tmp_path) == []


async def test_its_directory_and_socket_are_private(supervised: Supervised) -> None:
    directory = supervised.settings.directory
    assert directory.stat().st_mode & 0o077 == 0
    assert (directory / "supervisor.sock").stat().st_mode & 0o077 == 0


@pytest.mark.root
async def test_another_user_is_refused(tiny: Path) -> None:
    async with Supervised(tiny) as supervised:
        for path in (tiny, supervised.settings.directory):
            path.chmod(0o755)
        path = supervised.settings.directory / "supervisor.sock"
        path.chmod(0o777)
        words = bytes_of(Hello(PROTOCOL)), bytes_of(Quit())
        for word in words:
            command: list[str | Path] = [
                "/usr/bin/python3",
                "-c",
                STRANGER.replace("UID", str(UID)),
                path,
                word.hex(),
            ]
            stranger = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            told, _ = await asyncio.wait_for(stranger.communicate(), LIMIT_S)
            assert (stranger.returncode, told) == (0, b"heard b''\n")
        await supervised.toy(id_="a")
        assert (await supervised.end("a")).code == 0


def bytes_of(message: Hello | Quit) -> bytes:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        send(ours, message)
        return theirs.recv(65536)


# talking to it ------------------------------------------------------------------------------------


async def test_all_who_are_connected_hear_everything(supervised: Supervised) -> None:
    events: list[Started | Ended] = []
    other = await connect(supervised.settings, on_event=events.append, on_lost=lambda: None)
    async with other:
        await supervised.toy(id_="a")
        await supervised.end("a")
        await asyncio.to_thread(until, lambda: len(events) == 2)
        assert events == supervised.events
        other.stop("a", grace_s=0)


async def test_one_who_leaves_does_not_disturb_the_others(supervised: Supervised) -> None:
    for _ in range(20):
        with dialled(supervised) as connection:
            send(connection, Hello(PROTOCOL))
    await supervised.toy(id_="a")
    assert (await supervised.end("a")).code == 0
    assert len(descriptors(supervised.pid)) < 20


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\xc1", id="no-message"),
        pytest.param(b"\x81\xa4type\xa4Fear", id="no-such-message"),
        pytest.param(b"x" * 100_000, id="too-long"),
    ],
)
async def test_who_speaks_something_else_is_cut_off(supervised: Supervised, packet: bytes) -> None:
    before = descriptors(supervised.pid)
    with dialled(supervised) as connection:
        socket.send_fds(connection, [packet], [0, 1, 2])
        assert connection.recv(100) == b""
    assert descriptors(supervised.pid) == before
    await supervised.toy(id_="a")
    assert (await supervised.end("a")).code == 0


async def test_who_speaks_out_of_turn_is_cut_off(supervised: Supervised) -> None:
    with dialled(supervised) as connection:
        send(connection, Welcome(PROTOCOL, 1), [0])
        assert connection.recv(100) == b""
    await supervised.toy(id_="a")
    assert (await supervised.end("a")).code == 0


async def test_who_brings_too_much_is_cut_off(supervised: Supervised) -> None:
    before = descriptors(supervised.pid)
    with dialled(supervised) as connection:
        send(connection, Hello(PROTOCOL), [0] * 20)
        assert connection.recv(100) == b""
    assert descriptors(supervised.pid) == before


async def test_a_start_without_a_payload_or_with_two_is_refused(supervised: Supervised) -> None:
    with dialled(supervised) as connection:
        for count in (0, 2):
            send(connection, Start(supervised.launch("a")), [0] * count)
            received = receive(connection)
            assert received is not None
            assert received[0] == Refused("a", f"one payload is needed, {count} came")
    assert not supervised.record_directory("a").exists()


async def test_who_has_not_greeted_is_told_nothing(supervised: Supervised) -> None:
    with dialled(supervised) as connection:
        await supervised.toy(id_="a")
        await supervised.end("a")
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(100)


async def test_who_does_not_read_is_not_waited_for(supervised: Supervised) -> None:
    """And is told all of it when it reads at last."""
    with dialled(supervised) as connection:
        send(connection, Hello(PROTOCOL))
        welcome = receive(connection)
        assert welcome is not None
        assert isinstance(welcome[0], Welcome)
        count = 300  # more than the socket has room for
        for number in range(count):
            await supervised.toy(id_=f"c{number}")
        for number in range(count):
            await supervised.end(f"c{number}")
        heard: list[AnyMessage] = []
        while len(heard) < 2 * count:
            received = receive(connection)
            assert received is not None
            heard.append(received[0])
    assert [h.id for h in heard if isinstance(h, Ended)] == [
        e.id for e in supervised.events if isinstance(e, Ended)
    ]


def test_who_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_room, "_UNREAD", 50)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection(ours)
        news = EndedMessage("a", End(0, "Completed", "", 0.0))
        told = 0
        with contextlib.suppress(BrokenPipeError):
            for told in range(5_000):  # noqa: B007 - how far it came
                connection.tell(news)
        assert 50 < told < 5_000 - 1


def test_however_much_is_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_room, "_UNREAD", 50)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection(ours)
        connection.say(Known(f"c{number}", 1, 0.0, None) for number in range(1_000))
        heard: list[AnyMessage] = []
        while len(heard) < 1_000:
            received = receive(theirs)
            assert received is not None
            heard.append(received[0])
            connection.flush()
    assert [h.id for h in heard if isinstance(h, Known)] == [f"c{n}" for n in range(1_000)]
