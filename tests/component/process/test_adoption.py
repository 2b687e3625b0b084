"""A kubelet dies; the supervisor and its containers do not; the next kubelet finds them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from krustlet.process import (
    Known,
    StartRefused,
    SupervisorUnavailable,
    boot_id,
    read_record,
)
from tests.component.process.test_logs import WAITS_TO_GO_ON
from tests.support.processes import is_alive, processes_of
from tests.support.script_provider import a_kubelet
from tests.support.supervised import Supervised
from tests.support.until import until, until_not

SLEEPS = "import os, time; os.write(1, b'up\\n'); time.sleep(600)"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def waits(gate: Path) -> str:
    """A container that prints once it may, then exits with 7."""
    begins = WAITS_TO_GO_ON.replace("GATE", repr(str(gate)))
    return f"{begins}\nos.write(1, b'done\\n'); os._exit(7)"


@asynccontextmanager
async def the_next_kubelet(directory: Path) -> AsyncIterator[Supervised]:
    async with Supervised(directory) as supervised:
        yield supervised


async def test_containers_go_on_without_a_kubelet(tmp_path: Path, waits: str, gate: Path) -> None:
    with a_kubelet(tmp_path, SLEEPS, waits) as kubelet:
        pids = processes_of(tmp_path)
        kubelet.send_signal(signal.SIGKILL)
        kubelet.wait()
    assert [pid for pid in pids if is_alive(pid)] == [pid for pid in pids if pid != kubelet.pid]
    async with the_next_kubelet(tmp_path) as supervised:
        known = supervised.supervisor.known
        assert set(known) == {"c0", "c1"}
        assert {container.pid for container in known.values()} < set(pids)
        assert all(container.end is None for container in known.values())
        gate.touch()
        assert (await supervised.end("c1")).code == 7
        assert supervised.printed("c1") == b"done\n"
        supervised.supervisor.stop("c0", grace_s=10)
        assert (await supervised.end("c0")).code == 128 + signal.SIGTERM


async def test_an_end_that_nobody_heard_of_is_told_to_the_next(
    tmp_path: Path, waits: str, gate: Path
) -> None:
    with a_kubelet(tmp_path, waits):
        pass
    gate.touch()
    until(lambda: _ended_on_disk(tmp_path, "c0"))
    async with the_next_kubelet(tmp_path) as supervised:
        known = supervised.supervisor.known["c0"]
        assert known.end is not None
        assert (known.end.code, known.end.reason) == (7, "Error")
        assert not is_alive(known.pid)
        assert supervised.printed("c0") == b"done\n"
        with pytest.raises(StartRefused, match="known already"):
            await supervised.toy(id_="c0")
        assert supervised.events == []  # it is known, not news


def _ended_on_disk(directory: Path, id_: str) -> bool:
    record = read_record(directory / "pods" / id_ / "run" / "app" / "0")
    return record is not None and record.end is not None


async def test_what_is_forgotten_is_not_known_to_the_next(supervised: Supervised) -> None:
    await supervised.toy(id_="a")
    await supervised.toy(id_="b")
    await supervised.end("a")
    await supervised.end("b")
    supervised.supervisor.forget("a")
    await supervised.toy(id_="c", sleeps_s=600)
    supervised.supervisor.close()
    next_one = await supervised.connect()
    assert set(next_one.known) == {"b", "c"}
    next_one.forget("b")
    assert set(next_one.known) == {"c"}


async def test_an_end_is_not_known_before_it_was_told(supervised: Supervised) -> None:
    """It waits for the log: here for a pump that is stuck."""
    started = await supervised.toy(prints="x\n", id_="a", sleeps_s=0.2)
    pump = supervised.pump
    os.kill(pump, signal.SIGSTOP)
    until_not(lambda: is_alive(started.pid))
    first = supervised.supervisor
    second = await supervised.connect()
    known: Known = second.known["a"]
    assert known.end is None
    first.close()
    os.kill(pump, signal.SIGCONT)
    assert (await supervised.end("a")).code == 0


async def test_what_a_dead_kubelet_had_asked_for_is_known_to_the_next(
    supervised: Supervised,
) -> None:
    """Or the next one would take it for never begun, and begin it once more beside it.

    The supervisor hears its kubelets in the order in which they spoke.
    """
    os.kill(supervised.pid, signal.SIGSTOP)
    dying = supervised.supervisor
    starting = asyncio.create_task(supervised.toy(id_="a", sleeps_s=600))
    await asyncio.sleep(0)  # it is said now, and not heard
    dying.close()
    with pytest.raises(SupervisorUnavailable):
        await starting
    connecting = asyncio.create_task(supervised.connect())
    await asyncio.sleep(0.1)
    os.kill(supervised.pid, signal.SIGCONT)
    assert set((await connecting).known) == {"a"}
    assert supervised.events == []


async def test_its_record_says_when_it_began_and_how_it_ended(supervised: Supervised) -> None:
    started = await supervised.script(
        "reporter.end(7, message='broken')", loads="import time; time.sleep(0.3)", id_="a"
    )
    directory = supervised.record_directory("a")
    record = read_record(directory)
    assert record is not None
    assert (record.id, record.boot_id, record.started_at) == ("a", boot_id(), started.at)
    assert record.end is None
    end = await supervised.end("a")
    record = read_record(directory)
    assert record is not None
    assert record.end == end
    assert (end.code, end.message) == (7, "broken")
    assert [path.name for path in directory.iterdir()] == ["record"]
    assert (directory / "record").stat().st_mode & 0o077 == 0


async def test_a_record_outlives_its_supervisor(supervised: Supervised) -> None:
    await supervised.toy(id_="a", sleeps_s=600)
    os.kill(supervised.pid, signal.SIGKILL)
    await supervised.until_lost()
    record = read_record(supervised.record_directory("a"))
    assert record is not None
    assert record.end is None
