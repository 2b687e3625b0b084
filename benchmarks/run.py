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
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))  # for tests.support, which builds the guests

from benchmarks import containers, joining, walled
from benchmarks.bench import Bench, a_bench
from benchmarks.figures import MEASURES, Figure, measure
from krustlet.base.logs import set_up_logs

__all__ = ["containers", "joining", "walled"]  # their measures are known by now


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


# the face ---------------------------------------------------------------------------------------


async def _measure(names: Sequence[str]) -> list[Figure]:
    figures = []
    for name in names:
        async with a_bench() as bench:
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
            print(f"{name:20} {(function.__doc__ or '').strip().partition(chr(10))[0]}")
        return
    set_up_logs("warning")
    figures = asyncio.run(_measure(options.names or list(MEASURES)))
    if options.output == "json":
        print(json.dumps(msgspec.to_builtins(figures), indent=1))
        return
    for figure in figures:
        beside = ", ".join(f"{name} {value:g}" for name, value in figure.beside.items())
        print(f"{figure.name:24} {figure.value:>10g} {figure.unit:15} aim {figure.aim:9} {beside}")


if __name__ == "__main__":
    main()
