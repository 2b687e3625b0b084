"""The runtime that most kubelets use: containers as processes, whatever happens to kubelets."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from krustlet.process import Record, StartRefused, SupervisorUnavailable, boot_id, read_record
from krustlet.process.records import write_start
from krustlet.provider import (
    ContainerEnded,
    ContainerStarted,
    ProcessRuntime,
    Runtime,
    RuntimeEvent,
)
from tests.component.process.test_logs import WAITS_TO_GO_ON
from tests.support.processes import (
    children,
    descriptors,
    is_alive,
    processes_of,
    status,
    supervisors_of,
)
from tests.support.script_provider import ScriptProvider, a_kubelet, a_request, a_runtime
from tests.support.supervised import settings
from tests.support.until import until, until_not

SLEEPS = "import time; time.sleep(600)"


class Opened:
    """A runtime that is open, and what it told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.provider = ScriptProvider()
        self.runtime = ProcessRuntime(self.provider, settings(directory), directory)
        self.events: list[RuntimeEvent] = []
        self.found: dict[str, ContainerStarted] = {}

    async def open(self) -> None:
        self.found = dict(await self.runtime.open(self.events.append))

    async def start(self, id_: str, runs: str = "") -> None:
        await self.runtime.start(a_request(self.directory, id_, runs))

    async def end(self, id_: str) -> ContainerEnded:
        await asyncio.to_thread(until, lambda: self.ends(id_))
        (end,) = self.ends(id_)
        return end

    def ends(self, id_: str) -> list[ContainerEnded]:
        return [e for e in list(self.events) if isinstance(e, ContainerEnded) and e.id == id_]

    def supervisor(self) -> int:
        return supervisors_of(self.directory)[0]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    before = descriptors(), children()
    opened = Opened(tmp_path)
    await opened.open()
    yield opened
    await opened.runtime.close(stop_all=True)
    until_not(lambda: processes_of(tmp_path))
    assert opened.provider.closed
    assert (descriptors(), children()) == before


async def test_it_is_a_runtime(opened: Opened) -> None:
    assert isinstance(opened.runtime, Runtime)
    assert opened.found == {}


async def test_a_start_and_its_end_are_told(opened: Opened) -> None:
    await opened.start("a", "import os; os._exit(3)")
    end = await opened.end("a")
    assert (end.code, end.reason) == (3, "Error")
    started, ended = opened.events
    assert isinstance(started, ContainerStarted)
    assert started.at <= end.at
    assert ended == end


async def test_what_was_recorded_is_cleaned_up(opened: Opened, tmp_path: Path) -> None:
    await opened.start("a")
    await opened.end("a")
    assert (tmp_path / "pods" / "a" / "run" / "app" / "0" / "record").exists()
    opened.runtime.forget("a")
    await opened.runtime.clean("a")
    await opened.runtime.clean("never-was")
    assert not (tmp_path / "pods" / "a" / "run").exists()
    await opened.start("a")  # the id is free again
    await asyncio.to_thread(until, lambda: len(opened.ends("a")) == 2)


async def test_what_cannot_be_started_is_refused(opened: Opened) -> None:
    await opened.start("a", SLEEPS)
    with pytest.raises(StartRefused):
        await opened.start("a", SLEEPS)
    opened.runtime.stop("a", grace_s=10)
    assert (await opened.end("a")).code == 143


async def test_a_dead_supervisor_ends_everything_and_the_next_start_brings_another(
    opened: Opened,
) -> None:
    ids = ["a", "b", "c"]
    for id_ in ids:
        await opened.start(id_, SLEEPS)
    await opened.start("over")
    await opened.end("over")
    dead = opened.supervisor()
    os.kill(dead, signal.SIGKILL)
    for id_ in ids:
        end = await opened.end(id_)
        assert (end.code, end.reason) == (137, "Error")
        assert end.message == "the supervisor died, and its containers with it"
    assert len(opened.ends("over")) == 1  # it had ended before
    opened.runtime.stop("a", grace_s=0)
    opened.runtime.forget("a")
    await opened.start("next", "import os; os._exit(5)")
    assert (await opened.end("next")).code == 5
    assert opened.supervisor() != dead
    assert not is_alive(dead)
    assert len(children()) == 1  # the dead one is buried


async def test_stop_and_forget_do_not_fail_on_a_supervisor_that_is_just_dying(
    opened: Opened,
) -> None:
    """The pods call them, and wait for nothing but the end, which is told in any case."""
    await opened.start("a", SLEEPS)
    os.kill(opened.supervisor(), signal.SIGKILL)
    for _ in range(1_000):
        opened.runtime.stop("a", grace_s=0)
        opened.runtime.forget("a")
    assert (await opened.end("a")).code == 137


async def test_supervisors_that_die_again_and_again(opened: Opened) -> None:
    for number in range(5):
        await opened.start(f"c{number}", SLEEPS)
        os.kill(opened.supervisor(), signal.SIGKILL)
        assert (await opened.end(f"c{number}")).code == 137


async def test_starts_at_once_after_a_loss_share_one_supervisor(opened: Opened) -> None:
    await opened.start("a", SLEEPS)
    os.kill(opened.supervisor(), signal.SIGKILL)
    await opened.end("a")
    await asyncio.gather(*(opened.start(f"c{number}", SLEEPS) for number in range(5)))
    leaders = supervisors_of(opened.directory)
    assert len(leaders) == 1


# adoption -----------------------------------------------------------------------------------------


async def test_the_next_kubelet_finds_what_runs_and_hears_what_ended(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = WAITS_TO_GO_ON.replace("GATE", repr(str(gate))) + "\nos._exit(7)"
    with a_kubelet(tmp_path, SLEEPS, waits):
        pass
    gate.touch()
    opened = Opened(tmp_path)
    until(lambda: len(processes_of(tmp_path)) == 3)  # supervisor, pump, `c0`
    await opened.open()
    try:
        assert set(opened.found) == {"c0", "c1"}
        end = await opened.end("c1")
        assert end.code == 7
        assert opened.found["c1"].at <= end.at
        opened.runtime.forget("c1")
        os.kill(opened.supervisor(), signal.SIGKILL)
        assert (await opened.end("c0")).code == 137
        assert len(opened.ends("c1")) == 1  # its end had been told
    finally:
        await opened.runtime.close(stop_all=True)
    until_not(lambda: processes_of(tmp_path))


async def test_an_end_is_told_as_it_was_though_the_supervisor_that_saw_it_is_dead(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    waits = WAITS_TO_GO_ON.replace("GATE", repr(str(gate))) + "\nos._exit(7)"
    with a_kubelet(tmp_path, SLEEPS, waits):
        pass
    gate.touch()
    opened = Opened(tmp_path)
    until(lambda: _recorded_end(tmp_path, "c1"))
    _kill_all(tmp_path)
    await opened.open()
    try:
        assert set(opened.found) == {"c0", "c1"}
        assert [(e.id, e.code) for id_ in ("c0", "c1") for e in opened.ends(id_)] == [
            ("c0", 137),
            ("c1", 7),
        ]
        assert opened.found["c1"].at <= opened.ends("c1")[0].at
    finally:
        await opened.runtime.close(stop_all=True)
    until_not(lambda: processes_of(tmp_path))


async def test_an_end_that_waits_for_its_log_is_told_though_the_supervisor_dies(
    opened: Opened,
) -> None:
    await opened.start("a", "import time, os; time.sleep(0.3); os._exit(3)")
    pump = next(
        pid for pid in processes_of(opened.directory) if status(pid)["Name"] == "krustlet-logpum"
    )
    os.kill(pump, signal.SIGSTOP)
    await asyncio.to_thread(until, lambda: _recorded_end(opened.directory, "a"))
    assert opened.ends("a") == []
    os.kill(opened.supervisor(), signal.SIGKILL)
    os.kill(pump, signal.SIGCONT)
    assert (await opened.end("a")).code == 3


async def test_a_container_that_began_before_its_supervisor_died_has_run(opened: Opened) -> None:
    """Nobody has heard of its start, but what it printed is in the log of that run."""
    supervisor = opened.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    starting = asyncio.create_task(opened.start("a", SLEEPS))
    await asyncio.sleep(0.1)
    directory = opened.directory / "pods" / "a" / "run" / "app" / "0"
    write_start(str(directory), Record("a", boot_id(), 12.5))
    os.kill(supervisor, signal.SIGKILL)
    await starting
    started, ended = opened.events
    assert started == ContainerStarted("a", 12.5)
    assert isinstance(ended, ContainerEnded)
    assert ended.code == 137


async def test_what_ran_when_the_machine_went_down_is_told_to_have_ended_with_it(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "pods" / "a" / "run" / "app" / "0"
    write_start(str(directory), Record("a", "another boot", 12.5))
    runtime = a_runtime(tmp_path)
    events: list[RuntimeEvent] = []
    assert await runtime.open(events.append) == {"a": ContainerStarted("a", 12.5)}
    (ended,) = events
    assert isinstance(ended, ContainerEnded)
    assert ended.message == "the machine was started anew, which ended all that ran on it"
    await runtime.close(stop_all=True)


async def test_a_container_that_never_began_is_not_started(opened: Opened) -> None:
    supervisor = opened.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    starting = asyncio.create_task(opened.start("a", SLEEPS))
    await asyncio.sleep(0.1)
    os.kill(supervisor, signal.SIGKILL)
    with pytest.raises(SupervisorUnavailable):
        await starting
    assert opened.events == []


async def test_of_many_runs_the_records_of_the_last_two_stay(opened: Opened) -> None:
    for restart in range(4):
        request = a_request(opened.directory, "a")
        await opened.runtime.start(replace(request, id=f"a{restart}", restart=restart))
        await opened.end(f"a{restart}")
    runs = opened.directory / "pods" / "a" / "run" / "app"
    assert sorted(path.name for path in runs.iterdir()) == ["2", "3"]


async def test_a_supervisor_that_was_never_needed_does_not_stay(tmp_path: Path) -> None:
    for _ in range(2):
        runtime = a_runtime(tmp_path)
        await runtime.open(lambda _: None)
        await runtime.close(stop_all=False)
        until_not(lambda: processes_of(tmp_path))


def _recorded_end(directory: Path, id_: str) -> bool:
    record = read_record(directory / "pods" / id_ / "run" / "app" / "0")
    return record is not None and record.end is not None


def _kill_all(directory: Path) -> None:
    pids = processes_of(directory)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until_not(lambda: [*filter(is_alive, pids)])  # while it ends, it listens


async def test_a_supervisor_whose_containers_have_all_ended_does_not_stay(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    await opened.open()
    await opened.start("a")
    await opened.end("a")
    supervisor = opened.supervisor()
    await opened.runtime.close(stop_all=False)
    await asyncio.to_thread(until_not, lambda: is_alive(supervisor))
    again = Opened(tmp_path)  # whoever comes next hears of the end from its record
    await again.open()
    assert [end.code for end in again.ends("a")] == [0]
    await again.runtime.close(stop_all=True)


async def test_who_only_leaves_leaves_everything_running(tmp_path: Path) -> None:
    first = a_runtime(tmp_path)
    await first.open(lambda _: None)
    await first.start(a_request(tmp_path, "a", SLEEPS))
    await first.close(stop_all=False)
    second = a_runtime(tmp_path)
    assert set(await second.open(lambda _: None)) == {"a"}
    await second.close(stop_all=True)
    until_not(lambda: processes_of(tmp_path))


async def test_closing_what_was_never_opened(tmp_path: Path) -> None:
    await a_runtime(tmp_path).close(stop_all=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_provider_that_cannot_close_does_not_keep_the_containers(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    await opened.open()
    await opened.start("a", SLEEPS)

    async def fail() -> None:
        raise RuntimeError("cannot close")

    opened.provider.close = fail  # type: ignore[method-assign]  # the one thing that differs
    with pytest.raises(RuntimeError, match="cannot close"):
        await opened.runtime.close(stop_all=True)
    until_not(lambda: processes_of(tmp_path))
