"""The kubelet's end, facing supervisors that are not as they should be."""

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from krustlet.process import (
    End,
    Ended,
    Known,
    Launch,
    Started,
    StartRefused,
    Supervisor,
    SupervisorSettings,
    SupervisorUnavailable,
    connect,
)
from krustlet.process import client as client_room
from krustlet.process.messages import (
    PROTOCOL,
    AnyMessage,
    Execute,
    Hello,
    Message,
    Pump,
    Refused,
    Start,
    Stop,
    Welcome,
    receive,
    send,
)
from krustlet.process.sealed import Sealed, decode_sealed
from krustlet.process.walls import NO_WALLS
from tests.support.processes import children, descriptors, is_alive
from tests.support.supervised import LIMIT_S, Supervised
from tests.support.until import until_not

LAUNCH = Launch("a", "runner", "/directory", "/log")
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class FakeSupervisor:
    """A socket where a supervisor's would be, and a process that stands for one."""

    def __init__(self, directory: Path) -> None:
        self.settings = SupervisorSettings(directory=directory, runners=())
        self.process = subprocess.Popen(["sleep", "600"])
        self.heard: list[Message] = []
        self.lost = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(directory / "supervisor.sock"))
        self._listener.listen(1)
        self.socket = self._listener

    async def connected(self) -> Supervisor:
        supervisor = await connect(self.settings, on_event=self.heard.append, on_lost=self._lose)
        self.socket, _ = self._listener.accept()
        self.socket.settimeout(LIMIT_S)
        return supervisor

    async def welcomed(self, *known: Known) -> Supervisor:
        """A connection as it should be."""
        supervisor = await self.connected()
        greeting = asyncio.create_task(supervisor.__aenter__())
        await self.hear(Hello)
        for message in (*known, self.welcome):
            send(self.socket, message)
        return await greeting

    @property
    def welcome(self) -> Welcome:
        return Welcome(PROTOCOL, self.process.pid)

    async def hear(self, expected: type[Message]) -> tuple[AnyMessage, list[int]]:
        received = await asyncio.to_thread(receive, self.socket)
        assert received is not None
        assert isinstance(received[0], expected)
        return received

    def close(self) -> None:
        self.socket.close()
        self._listener.close()
        self.process.kill()
        self.process.wait()

    def _lose(self) -> None:
        self.lost += 1


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeSupervisor]:
    before = descriptors(), children()
    fake = FakeSupervisor(tmp_path)
    yield fake
    fake.close()
    assert (descriptors(), children()) == before


# greeting -----------------------------------------------------------------------------------------


async def test_a_protocol_that_never_was_is_refused(fake: FakeSupervisor) -> None:
    supervisor = await fake.connected()
    send(fake.socket, Welcome(0, fake.process.pid))
    with pytest.raises(SupervisorUnavailable, match="speaks protocol 0"):
        await supervisor.__aenter__()
    assert is_alive(fake.process.pid)  # it may be another version's, and its containers wanted


async def test_an_earlier_protocol_does_but_lets_nobody_in(fake: FakeSupervisor) -> None:
    supervisor = await fake.connected()
    send(fake.socket, Known("old", 1, 1.0, None))
    send(fake.socket, Welcome(1, fake.process.pid))
    await supervisor.__aenter__()
    assert supervisor.known == {"old": Known("old", 1, 1.0, None)}
    with pytest.raises(SupervisorUnavailable, match="an earlier version, which lets nobody in"):
        await supervisor.execute(Execute("x", "old", "r"), b"")
    with pytest.raises(SupervisorUnavailable, match="an earlier version, which lets nobody in"):
        await supervisor.attach("old", stdin=False)
    supervisor.close()


async def test_a_later_protocol_is_spoken_to_in_ours(fake: FakeSupervisor) -> None:
    supervisor = await fake.connected()
    send(fake.socket, Welcome(PROTOCOL + 1, fake.process.pid))
    await supervisor.__aenter__()
    supervisor.stop("a", grace_s=0)
    await fake.hear(Hello)
    assert (await fake.hear(Stop))[0] == Stop("a", 0)
    supervisor.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda peer: peer.close(), id="closed"),
        pytest.param(lambda peer: peer.send(b"garbage"), id="garbage"),
        pytest.param(lambda peer: send(peer, Welcome(PROTOCOL, 2**22 + 1)), id="no-such-process"),
    ],
)
async def test_one_that_is_none(
    fake: FakeSupervisor, answer: Callable[[socket.socket], object]
) -> None:
    supervisor = await fake.connected()
    answer(fake.socket)
    with pytest.raises(SupervisorUnavailable, match="the supervisor is gone"):
        await supervisor.__aenter__()
    assert fake.lost == 0  # it never was ours


async def test_one_that_does_not_answer(
    fake: FakeSupervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_room, "_ANSWER_S", 0.1)
    supervisor = await fake.connected()
    with pytest.raises(SupervisorUnavailable, match="does not answer"):
        await supervisor.__aenter__()


async def test_one_that_takes_no_connections(fake: FakeSupervisor) -> None:
    waiting = [await connect(fake.settings, on_event=print, on_lost=print) for _ in range(2)]
    with pytest.raises(SupervisorUnavailable, match="takes no connections"):
        await connect(fake.settings, on_event=print, on_lost=print)
    for supervisor in waiting:
        supervisor.close()


async def test_what_happens_is_told_after_what_is_known(fake: FakeSupervisor) -> None:
    """Whoever looks at `known` first thing has not missed, nor heard, anything that came later."""
    supervisor = await fake.connected()
    ended = Ended("a", End(0, "Completed", "", 2.0))
    for message in (Known("a", 1, 1.0, None), fake.welcome, ended):
        send(fake.socket, message)
    await supervisor.__aenter__()
    assert (set(supervisor.known), fake.heard) == ({"a"}, [])
    await asyncio.sleep(0.05)
    assert fake.heard == [ended]
    supervisor.close()


# starting -----------------------------------------------------------------------------------------


async def test_a_payload_is_sealed(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    starting = asyncio.create_task(supervisor.start(LAUNCH, b"secret"))
    message, (payload,) = await fake.hear(Start)
    assert message == Start(LAUNCH)
    assert fcntl.fcntl(payload, fcntl.F_GET_SEALS) == SEALS
    assert decode_sealed(os.pread(payload, 1000, 0)) == Sealed(NO_WALLS, b"secret")
    for change in (lambda: os.pwrite(payload, b"x", 0), lambda: os.truncate(payload, 0)):
        with pytest.raises(PermissionError):
            change()
    os.close(payload)
    send(fake.socket, Started("a", 1, 1.0))
    assert await starting == Started("a", 1, 1.0)
    supervisor.close()


async def test_a_refusal_is_told(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    starting = asyncio.create_task(supervisor.start(LAUNCH, b""))
    _, (payload,) = await fake.hear(Start)
    os.close(payload)
    send(fake.socket, Refused("a", "no room"))
    with pytest.raises(StartRefused, match="the container was not started: no room"):
        await starting
    supervisor.close()


async def test_no_answer_to_a_start(fake: FakeSupervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = await fake.welcomed()
    monkeypatch.setattr(client_room, "_ANSWER_S", 0.1)
    with pytest.raises(SupervisorUnavailable, match="no answer"):
        await supervisor.start(LAUNCH, b"")
    _, (payload,) = await fake.hear(Start)
    os.close(payload)
    assert (await fake.hear(Stop))[0] == Stop("a", 0)  # or it might run on, and nobody know
    send(fake.socket, Started("a", 1, 1.0))  # too late for whoever asked, but true
    await asyncio.sleep(0.05)
    assert fake.heard == [Started("a", 1, 1.0)]
    supervisor.close()


async def test_what_it_does_not_take_at_once_is_sent_in_order(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    starting = asyncio.create_task(supervisor.start(LAUNCH, b"first"))
    _, (first,) = await fake.hear(Start)
    os.close(first)
    count = 2_000  # more than the socket has room for
    for number in range(count):
        supervisor.stop(f"c{number}", grace_s=0)
    late = asyncio.create_task(supervisor.start(Launch("b", "r", "/d", "/l"), b"last"))
    await asyncio.sleep(0)
    for number in range(count):
        message, _ = await fake.hear(Stop)
        assert message == Stop(f"c{number}", 0)
    _, (payload,) = await fake.hear(Start)
    assert decode_sealed(os.pread(payload, 1000, 0)).payload == b"last"
    os.close(payload)
    for id_ in ("a", "b"):
        send(fake.socket, Started(id_, 1, 1.0))
    assert [(await task).id for task in (starting, late)] == ["a", "b"]
    supervisor.close()


async def test_nothing_is_kept_of_what_was_never_sent(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    for number in range(2_000):
        supervisor.stop(f"c{number}", grace_s=0)
    starting = asyncio.create_task(supervisor.start(LAUNCH, b"x"))
    await asyncio.sleep(0)
    supervisor.close()
    with pytest.raises(SupervisorUnavailable):
        await starting


# losing it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(lambda peer: peer.close(), id="closed"),
        pytest.param(lambda peer: peer.send(b"garbage"), id="garbage"),
    ],
)
async def test_a_supervisor_that_cannot_be_talked_to_is_ended_before_it_is_called_lost(
    fake: FakeSupervisor, breaks: Callable[[socket.socket], object]
) -> None:
    supervisor = await fake.welcomed()
    starting = asyncio.create_task(supervisor.start(LAUNCH, b""))
    _, (payload,) = await fake.hear(Start)
    os.close(payload)
    breaks(fake.socket)
    with pytest.raises(SupervisorUnavailable, match="the supervisor is gone"):
        await starting
    assert await asyncio.to_thread(fake.process.wait) == -signal.SIGKILL
    await asyncio.sleep(0.05)
    assert fake.lost == 1
    with pytest.raises(SupervisorUnavailable):
        supervisor.stop("a", grace_s=0)
    supervisor.close()


async def test_who_leaves_is_told_nothing_more(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    supervisor.close()
    fake.socket.close()
    await asyncio.sleep(0.05)
    assert (fake.lost, fake.heard) == (0, [])
    assert is_alive(fake.process.pid)


async def test_what_makes_no_sense_is_passed_over(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    send(fake.socket, Pump("a", "/log"), [0, 1])
    send(fake.socket, Refused("nobody", "?"))
    send(fake.socket, Started("a", 1, 1.0))
    await asyncio.sleep(0.05)
    assert fake.heard == [Started("a", 1, 1.0)]
    supervisor.close()


async def test_a_supervisor_that_does_not_quit(fake: FakeSupervisor) -> None:
    supervisor = await fake.welcomed()
    with pytest.raises(TimeoutError):
        await supervisor.quit(within_s=0.1)
    supervisor.close()


async def test_a_dead_supervisor_is_lost_when_its_containers_are(supervised: Supervised) -> None:
    pids = [(await supervised.toy(sleeps_s=600)).pid for _ in range(10)]
    os.kill(supervised.pid, signal.SIGKILL)
    await supervised.until_lost()
    until_not(lambda: [pid for pid in pids if is_alive(pid)])
    with pytest.raises(SupervisorUnavailable):
        await supervised.toy()


async def test_a_supervisor_that_dies_during_a_start(supervised: Supervised) -> None:
    starting = asyncio.create_task(supervised.toy())
    os.kill(supervised.pid, signal.SIGSTOP)
    await asyncio.sleep(0)
    os.kill(supervised.pid, signal.SIGKILL)
    begun = time.monotonic()
    results = await asyncio.gather(starting, return_exceptions=True)
    assert isinstance(results[0], Started | SupervisorUnavailable)
    assert time.monotonic() - begun < 30
    await supervised.until_lost()
