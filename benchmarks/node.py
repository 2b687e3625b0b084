"""A node of a real cluster, measured from outside: through the API server, by `podbench.py`.

The control plane and the registry run on the same machine, and take most of it.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import podbench
from tests.support.cluster import Cluster
from tests.support.guests import Guests, default_cache
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.registry import Registry

_NODE: Final = "bench-node"
_BURST: Final = 200
_LONG: Final = 100
_CROWD: Final = 500
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")

Result = Mapping[str, Any]


async def measured() -> tuple[Result, Result]:
    """What the yardstick says of pods one by one, at once and at length; and of 500 at length."""
    with tempfile.TemporaryDirectory(prefix="krustlet-bench-") as temporary:
        directory = Path(temporary)
        with (
            Cluster.start(directory / "cluster") as cluster,
            Registry.start(directory / "registry") as registry,
            _node(cluster, registry, directory) as node,
        ):
            hello, long = (_pushed(registry, guest) for guest in ("hello", "sleep"))
            common = (
                *("--kubeconfig", str(cluster.kubeconfig()), "--node", _NODE),
                *("--hello", hello, "--long", long, "--name", "krustlet", "--idle", "10"),
            )
            few = ("--phases", "lat,burst,long", "--n-burst", str(_BURST), "--n-long", str(_LONG))
            many = ("--phases", "long", "--n-long", str(_CROWD), "--n-delete", "1")
            # After a burst there are events to tell for a while: idle is what comes then.
            first = await _run(node, (*common, *few, "--settle", "20"))
            return first, await _run(node, (*common, *many, "--settle", "40"))


@contextmanager
def _node(cluster: Cluster, registry: Registry, directory: Path) -> Iterator[KrustletNode]:
    certs = directory / "certs" / registry.address
    certs.mkdir(parents=True)
    (certs / "ca.crt").write_bytes(registry.ca.read_bytes())
    flags = ("--max-pods", "600", "--registry-certs-dir", certs.parent)
    with krustlet_node(cluster, directory / "node", _NODE, *flags) as node:
        yield node


def _pushed(registry: Registry, guest: str) -> str:
    registry.push(guest, "v1", Guests(default_cache()).path(guest).read_bytes())
    return f"{registry.address}/{guest}:v1"


class _Processes(podbench.Procs):
    """Those of the node; the kubelet's own share of their CPU time is told apart."""

    def cpu(self) -> dict[str, float]:
        line = Path(f"/proc/{self.roots[0]}/stat").read_text()
        user, system = line.rpartition(")")[2].split()[11:13]
        return {**super().cpu(), "kubelet": (int(user) + int(system)) * _TICK_S}


async def _run(node: KrustletNode, arguments: tuple[str, ...]) -> Result:
    argv, sys.argv = sys.argv, ["podbench", *arguments]
    try:
        options = podbench.parse()
    finally:
        sys.argv = argv
    bench = podbench.Bench(options)
    bench.procs = _Processes([node.pid, *node.keepers()], None, [])
    await bench.main()
    await asyncio.sleep(1)
    return bench.out  # type: ignore[no-any-return]  # the yardstick is not typed
