"""Containers as bare as the bare engine's, and the commands of one user."""

import asyncio
import statistics
import sys
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure, against_bare, measure
from benchmarks.machine import children, private_kb, rollup, spawn, supervisor_in

_ROOT: Final = Path(__file__).parent.parent
_RUNS: Final = 100
_WARM: Final = 5
_IDLE: Final = 10
_LINES: Final = 1_000_000


@measure
async def start_to_exit(bench: Bench) -> list[Figure]:
    """A container that prints a line, from asking for it to knowing its end and log."""
    command = bench.bare("hello")
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(_WARM + _RUNS):
        ours.append(await bench.run("hello"))
        bare.append(spawn(command))
    ours, bare = ours[_WARM:], bare[_WARM:]
    return against_bare("start_to_exit", ours, bare, aim="≤ 1.1", p99_aim="≤ 1.1")


@measure
async def idle_memory(bench: Bench) -> list[Figure]:
    """Memory that a sleeping container shares with nobody."""
    ours = [await bench.start("sleep") for _ in range(_IDLE)]
    await asyncio.sleep(1)  # all print, then sleep
    ours_kb = statistics.median(private_kb(started.pid) for started in ours)
    for started in ours:
        bench.supervisor.stop(started.id, grace_s=5)
        await bench.ended()
    bare_kb = await bench.bare_idle_kb("sleep", _IDLE)
    beside = {"ours_kb": ours_kb, "bare_kb": bare_kb}
    return [Figure("idle_memory", round(ours_kb / bare_kb, 2), "× wasmtime run", "≤ 1.1", beside)]


@measure
async def keeper_memory(bench: Bench) -> list[Figure]:
    """Supervisor and log pump together, all they have mapped, shared pages counted once."""
    await bench.run("hello")
    supervisor = supervisor_in(bench.directory)
    pids = [supervisor, *children(supervisor)]
    pss_mb = sum(rollup(pid)["Pss"] for pid in pids) / 1024
    private_mb = sum(map(private_kb, pids)) / 1024
    beside = {"private_mb": round(private_mb, 1), "processes": float(len(pids))}
    return [Figure("keeper_memory", round(pss_mb, 1), "MB", "≤ 30", beside)]


@measure
async def version(bench: Bench) -> list[Figure]:
    """`krustlet version`, the whole process, against a Python that does nothing."""
    krustlet = [sys.executable, "-m", "krustlet", "version"]
    took = [spawn(krustlet) for _ in range(20)]
    nothing = [spawn([sys.executable, "-c", "pass"]) for _ in range(20)]
    beside = {"python_ms": round(statistics.median(nothing) * 1e3, 1)}
    return [Figure("version", round(statistics.median(took) * 1e3, 1), "ms", "≤ 150", beside)]


@measure
async def log_lines(bench: Bench) -> list[Figure]:
    """Lines of 20 bytes from a guest into its log file, per second."""
    took_s = await bench.run("lines", str(_LINES), "20")
    with bench.log.open("rb") as log:  # the latest file of several; all lines have one length
        size = len(log.readline()) * _LINES
    beside = {"mb_per_s": round(size / took_s / 1e6, 1), "lines": float(_LINES)}
    return [Figure("log_lines", round(_LINES / took_s), "lines/s", "≥ 300000", beside)]


@measure
async def run_again(bench: Bench) -> list[Figure]:
    """`krustlet run examples/hello.yaml` when it was run before, the whole process."""
    command = [sys.executable, "-m", "krustlet", "run", str(_ROOT / "examples" / "hello.yaml")]
    data = str(bench.directory / "data")
    took = [spawn(command, KRUSTLET_DATA_DIR=data) for _ in range(6)][1:]
    return [Figure("run_again", round(statistics.median(took), 2), "s", "≤ 2")]
