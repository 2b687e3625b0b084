"""A kubelet that was upgraded, and the supervisor of its predecessor."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krustlet.process import NotRunning, SupervisorUnavailable, spawn
from krustlet.provider import ContainerEnded, ProcessRuntime, RuntimeEvent
from tests.support.processes import descriptors, is_alive, processes_of, supervisors_of
from tests.support.script_provider import ScriptProvider, a_request
from tests.support.supervised import settings
from tests.support.until import until, until_not

SLEEPS = "import time; time.sleep(600)"


class Node:
    """A runtime of some generation over one directory."""

    def __init__(self, directory: Path, generation: str) -> None:
        chosen = settings(directory, generation=generation)
        self.directory = directory
        self.runtime = ProcessRuntime(ScriptProvider(), chosen, directory)
        self.events: list[RuntimeEvent] = []
        self.found: dict[str, Any] = {}

    async def open(self) -> "Node":
        self.found = dict(await self.runtime.open(self.events.append))
        return self

    async def start(self, id_: str, runs: str) -> None:
        await self.runtime.start(a_request(self.directory, id_, runs))

    def ends(self, id_: str) -> list[ContainerEnded]:
        return [e for e in self.events if isinstance(e, ContainerEnded) and e.id == id_]

    async def end(self, id_: str) -> ContainerEnded:

        return (await asyncio.to_thread(until, lambda: self.ends(id_)))[0]

    def sockets(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "supervisor").glob("*.sock"))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    before = descriptors()
    yield tmp_path
    until_not(lambda: processes_of(tmp_path))
    assert descriptors() == before


async def test_what_an_earlier_one_runs_is_adopted_and_new_is_started_elsewhere(
    directory: Path,
) -> None:
    old = await Node(directory, "one").open()
    await old.start("a", SLEEPS)
    await old.runtime.close(stop_all=False)

    new = await Node(directory, "two").open()
    assert list(new.found) == ["a"]
    await new.start("b", SLEEPS)
    assert new.sockets() == ["one.sock", "two.sock"]
    assert len(supervisors_of(directory)) == 2

    request = a_request(directory, "x", "import os; os.write(1, b'in'); os._exit(3)")
    session = await new.runtime.execute(request, within="a", stdin=False, tty=False)
    assert await session.read("stdout") == b"in"
    assert await session.wait() == 3
    session.close()

    new.runtime.stop("a", grace_s=0)
    assert (await new.end("a")).code in (137, 143)
    new.runtime.forget("a")
    until(lambda: len(supervisors_of(directory)) == 1)  # it had no more to keep
    assert new.ends("b") == []
    await new.runtime.close(stop_all=True)


async def test_an_earlier_protocol_is_enough_to_see_containers_to_their_ends(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        spawn,
        "_START",
        "from krustlet.process import supervisor; supervisor.PROTOCOL = 1; supervisor.main()",
    )
    old = await Node(directory, "one").open()
    await old.start("a", SLEEPS)
    await old.start("over", "import os; os._exit(4)")
    await old.end("over")
    await old.runtime.close(stop_all=False)
    monkeypatch.undo()

    new = await Node(directory, "two").open()
    assert sorted(new.found) == ["a", "over"]
    assert [end.code for end in new.ends("over")] == [4]
    request = a_request(directory, "x", "")
    with pytest.raises(SupervisorUnavailable, match="an earlier version"):
        await new.runtime.execute(request, within="a", stdin=False, tty=False)
    new.runtime.forget("over")
    new.runtime.stop("a", grace_s=0)
    await new.end("a")
    new.runtime.forget("a")
    until(lambda: len(supervisors_of(directory)) == 1)
    await new.runtime.close(stop_all=True)


async def test_an_earlier_one_that_dies_is_told_of_and_the_other_goes_on(directory: Path) -> None:
    old = await Node(directory, "one").open()
    await old.start("a", SLEEPS)
    (dies,) = supervisors_of(directory)
    await old.runtime.close(stop_all=False)
    new = await Node(directory, "two").open()
    await new.start("b", SLEEPS)
    os.kill(dies, 9)
    end = await new.end("a")
    assert (end.code, end.message) == (137, "the supervisor died, and its containers with it")
    assert new.ends("b") == []
    with pytest.raises(NotRunning):
        await new.runtime.attach("a", stdin=False)
    await new.runtime.close(stop_all=True)


async def test_an_idle_earlier_one_goes_at_once_and_a_dead_ones_socket_is_buried(
    directory: Path,
) -> None:
    old = await Node(directory, "one").open()
    await old.start("a", "pass")
    await old.end("a")
    old.runtime.forget("a")
    (idle,) = supervisors_of(directory)
    await old.start("b", SLEEPS)
    await old.runtime.close(stop_all=False)
    os.kill(idle, 9)
    until_not(lambda: is_alive(idle))  # nor does it listen any more

    new = await Node(directory, "two").open()
    assert (await new.end("b")).code == 137  # by its record
    assert new.sockets() == ["two.sock"]
    await new.runtime.close(stop_all=True)


async def test_the_next_of_a_generation_is_the_same(directory: Path) -> None:
    first = await Node(directory, "one").open()
    await first.start("a", SLEEPS)
    (pid,) = supervisors_of(directory)
    await first.runtime.close(stop_all=False)
    second = await Node(directory, "one").open()
    assert supervisors_of(directory) == [pid]
    await second.runtime.close(stop_all=True)


def test_settings_name_the_socket(tmp_path: Path) -> None:
    chosen = msgspec.structs.replace(settings(tmp_path), generation="abc")
    assert chosen.socket == "abc.sock"
