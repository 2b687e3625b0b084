"""How soon a machine is a node that is ready: with credentials, and with a bootstrap token alone.

Seen from outside, through the API server, from the start of the process on.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Figure, measure
from tests.support.cluster import Cluster
from tests.support.joining import Joining
from tests.support.krustlet_node import KrustletNode, Launch, krustlet_node_to_be
from tests.support.until import until

_TIMES: Final = 5
_WITHIN_S: Final = 60.0


@measure
async def start_to_ready(_: Bench) -> list[Figure]:
    """From the start of `krustlet node` to a Node that is ready, first time and again."""
    with _cluster() as (cluster, directory):
        first, again = [], []
        for number in range(_TIMES):
            with _node(cluster, directory, f"known-{number}", Launch()) as node:
                first.append(_ready_after(node))
                node.stop()
                again.append(_known_after(node))
    beside = {"max": max(first), "again": statistics.median(again)}
    return [Figure("start_to_ready", statistics.median(first), "s", "≤ 3", beside)]


@measure
async def join_to_ready(_: Bench) -> list[Figure]:
    """The same with a bootstrap token, both requests being approved at once."""
    with _cluster() as (cluster, directory):
        joining = Joining(cluster)
        joining.let_tokens_ask()
        joining.approve_clients_by_themselves()
        took = []
        for number in range(_TIMES):
            file = joining.bootstrap_file(directory / f"bootstrap-{number}.conf")
            launch = Launch(credentials=("--bootstrap-file", file))
            with _node(cluster, directory, f"new-{number}", launch) as node:
                took.append(_ready_after(node))
    return [Figure("join_to_ready", statistics.median(took), "s", "≤ 6", {"max": max(took)})]


@contextmanager
def _cluster() -> Iterator[tuple[Cluster, Path]]:
    with tempfile.TemporaryDirectory(prefix="krustlet-bench-") as temporary:
        directory = Path(temporary)
        with Cluster.start(directory / "cluster") as cluster:
            yield cluster, directory


@contextmanager
def _node(cluster: Cluster, directory: Path, name: str, launch: Launch) -> Iterator[KrustletNode]:
    with krustlet_node_to_be(cluster, directory / name, name, launch=launch) as node:
        yield node


def _ready_after(node: KrustletNode) -> float:
    began = time.monotonic()
    node.start_only()
    until(node.is_ready, within_s=_WITHIN_S)
    return time.monotonic() - began


def _known_after(node: KrustletNode) -> float:
    """A Node that was ready is called so for a while, so this waits until it knows its pods."""
    began = time.monotonic()
    node.start()
    return time.monotonic() - began
