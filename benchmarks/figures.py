"""What a measure tells, and all measures by name."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from benchmarks.bench import Bench


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


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def against_bare(
    name: str, ours_s: Sequence[float], bare_s: Sequence[float], *, aim: str, p99_aim: str
) -> list[Figure]:
    """How long ours took as a multiple of the bare engine, at the median and at the worst."""
    figures = []
    for suffix, pick, wanted in (("p50", statistics.median, aim), ("p99", p99, p99_aim)):
        mine, theirs = pick(ours_s) * 1e3, pick(bare_s) * 1e3
        beside = {"ours_ms": round(mine, 2), "bare_ms": round(theirs, 2)}
        ratio = round(mine / theirs, 2)
        figures.append(Figure(f"{name}_{suffix}", ratio, "× wasmtime run", wanted, beside))
    return figures
