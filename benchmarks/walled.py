"""Containers as a node runs them: behind all walls, limited and counted, through its runtime.

What a kubelet makes beforehand, the directories that are mounted, is made beforehand here, too.
"""

import asyncio
import itertools
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure, against_bare, measure, p99
from benchmarks.machine import children, cpu_s, private_kb, rollup, spawn, supervisor_in
from krustlet.provider import ContainerRequest
from tests.support.processes import descendants
from tests.support.soak import printed_in
from tests.support.until import until
from tests.support.wasm_node import WasmNode

_RUNS: Final = 100
_WARM: Final = 5
_BURST: Final = 200
_BURSTS: Final = 3
_IDLE: Final = 10
_CROWD: Final = 500
_IDLE_S: Final = 20.0
_LIMIT_S: Final = 120.0
_STARTING: Final = 16  # at the same time, as a kubelet does


class _Node:
    """A node of the benchmark's own, whose containers are numbered."""

    def __init__(self, node: WasmNode) -> None:
        self.runtime = node.runtime
        self._node = node
        self._ids = (f"b{number}" for number in itertools.count())

    def request(self, guest: str) -> ContainerRequest:
        """One more container; what is mounted in it is there."""
        return self._node.request(next(self._ids), self._node.image(guest))

    def requests(self, guest: str, many: int) -> list[ContainerRequest]:
        return [self.request(guest) for _ in range(many)]

    async def start(self, request: ContainerRequest) -> None:
        await self.runtime.start(request)

    async def start_all(self, requests: Sequence[ContainerRequest]) -> None:
        room = asyncio.Semaphore(_STARTING)

        async def start(request: ContainerRequest) -> None:
            async with room:
                await self.start(request)

        await asyncio.gather(*map(start, requests))

    async def end(self, request: ContainerRequest, *, code: int = 0) -> None:
        async with asyncio.timeout(_LIMIT_S):
            ended = await self._node.ended(request.id)
        assert ended.code == code, ended

    async def stop_all(self, requests: Sequence[ContainerRequest]) -> None:
        """They have ended, and nothing is left of them."""
        for request in requests:
            self.runtime.stop(request.id, grace_s=5)
        for request in requests:
            await self.end(request, code=143)
        await self.forget(requests)

    async def forget(self, requests: Sequence[ContainerRequest]) -> None:
        for request in requests:
            await self._node.forget(request.id)

    async def run(self, guest: str) -> float:
        """Seconds from asking for a container to knowing how it ended, its log complete."""
        request = self.request(guest)
        begun = time.perf_counter()
        await self.start(request)
        await self.end(request)
        took_s = time.perf_counter() - begun
        await self.forget([request])
        return took_s

    async def execute(self, within: str, guest: str) -> float:
        """Seconds from asking to be let in to having read all and knowing the exit code."""
        begun = time.perf_counter()
        session = await self._node.execute(next(self._ids), within, guest=guest)
        read = b""
        while data := await session.read("stdout"):
            read += data
        code = await session.wait()
        session.close()
        took_s = time.perf_counter() - begun
        assert (code, read) == (0, b"Hello, world!\n"), (code, read)
        return took_s

    async def prepare(self, *guests: str) -> None:
        for guest in guests:
            await self.runtime.prepare(self._node.image(guest))

    async def until_ready(self, requests: Sequence[ContainerRequest]) -> None:
        """All of them have printed that they are."""
        logs = [Path(request.log) for request in requests]

        def ready() -> bool:
            return all(printed_in(log) == b"ready\n" for log in logs)

        await asyncio.to_thread(until, ready, within_s=_LIMIT_S)

    def keepers(self) -> list[int]:
        """The supervisor and its log pump."""
        supervisor = supervisor_in(self._node.directory)
        pids = children(supervisor)
        return [supervisor, *(pid for pid in pids if _name(pid) == "krustlet-logpum")]

    def processes(self, requests: Sequence[ContainerRequest]) -> list[int]:
        names = {request.id for request in requests}
        of_node = descendants(supervisor_in(self._node.directory))
        return [pid for pid in of_node if _name(pid) in names]


@asynccontextmanager
async def _a_node(*guests: str) -> AsyncIterator[_Node]:
    """A node that has compiled `guests`; nothing is left of it afterwards."""
    if os.geteuid() != 0:
        raise SystemExit("benchmarks/run.py: walls and limits need root: sudo make bench")
    with tempfile.TemporaryDirectory(prefix="krustlet-bench-") as temporary:
        top = f"krustlet-bench/{secrets.token_hex(4)}"
        node = await WasmNode(Path(temporary), cgroups=top).open()
        try:
            bench = _Node(node)
            await bench.prepare(*guests)
            yield bench
        finally:
            await node.close()


# the measures -----------------------------------------------------------------------------------


@measure
async def start_to_exit_walled(bench: Bench) -> list[Figure]:
    """As `start_to_exit`, behind all walls and in control groups, which are made meanwhile."""
    command = bench.bare("hello")
    ours: list[float] = []
    bare: list[float] = []
    async with _a_node("hello") as node:
        for _ in range(_WARM + _RUNS):
            ours.append(await node.run("hello"))
            bare.append(spawn(command))
    ours, bare = ours[_WARM:], bare[_WARM:]
    return against_bare("start_to_exit_walled", ours, bare, aim="≤ 1.5", p99_aim="(told)")


@measure
async def idle_memory_walled(bench: Bench) -> list[Figure]:
    """As `idle_memory`, behind all walls."""
    async with _a_node("sleep") as node:
        requests = node.requests("sleep", _IDLE)
        await node.start_all(requests)
        await node.until_ready(requests)
        ours_kb = statistics.median(map(private_kb, node.processes(requests)))
        await node.stop_all(requests)
    bare_kb = await bench.bare_idle_kb("sleep", _IDLE)
    beside = {"ours_kb": ours_kb, "bare_kb": bare_kb}
    ratio = round(ours_kb / bare_kb, 2)
    return [Figure("idle_memory_walled", ratio, "× wasmtime run", "≤ 1.1", beside)]


@measure
async def container_burst(_: Bench) -> list[Figure]:
    """200 containers at once behind all walls, until the end of the last is known."""
    took: list[float] = []
    async with _a_node("hello") as node:
        for _number in range(1 + _BURSTS):
            requests = node.requests("hello", _BURST)
            begun = time.perf_counter()
            await node.start_all(requests)
            for request in requests:
                await node.end(request)
            took.append(time.perf_counter() - begun)
            await node.forget(requests)
    a_second = [_BURST / seconds for seconds in took[1:]]
    beside = {"worst": round(min(a_second))}
    value = round(statistics.median(a_second))
    return [Figure("container_burst", value, "containers/s", "≥ 150", beside)]


@measure
async def exec_to_exit(_: Bench) -> list[Figure]:
    """A process beside a container, in its walls, from asking for it to knowing its exit code."""
    async with _a_node("sleep", "hello") as node:
        host = node.request("sleep")
        await node.start(host)
        await node.until_ready([host])
        took = [await node.execute(host.id, "hello") for _number in range(_WARM + _RUNS)][_WARM:]
        await node.stop_all([host])
    beside = {"p99": round(p99(took) * 1e3, 1)}
    value = round(statistics.median(took) * 1e3, 1)
    return [Figure("exec_to_exit", value, "ms", "≤ 12", beside)]


@measure
async def keepers_500(_: Bench) -> list[Figure]:
    """Supervisor and log pump together while 500 containers are idle.

    Memory is told as if they shared nothing with each other: what is shared by 502 processes would
    hardly count otherwise.
    """
    async with _a_node("sleep") as node:
        requests = node.requests("sleep", _CROWD)
        await node.start_all(requests)
        await node.until_ready(requests)
        keepers = node.keepers()
        await asyncio.sleep(2)
        begun_s, begun = cpu_s(keepers), time.perf_counter()
        await asyncio.sleep(_IDLE_S)
        used = (cpu_s(keepers) - begun_s) / (time.perf_counter() - begun)
        memory = [rollup(pid) for pid in keepers]
        private = sum(map(private_kb, keepers))
        await node.stop_all(requests)
    resident_mb = sum(each["Rss"] for each in memory) / 1024
    beside = {
        "pss_mb": round(sum(each["Pss"] for each in memory) / 1024, 1),
        "private_mb": round(private / 1024, 1),
    }
    return [
        Figure("keepers_500_memory", round(resident_mb, 1), "MB", "≤ 60", beside),
        Figure("keepers_500_cpu", round(used * 100, 2), "% of a core", "< 1"),
    ]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
