"""Logs that are begun anew while a pod prints, seen by whoever follows them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod
from tests.support.cluster import Cluster
from tests.support.krustlet_node import KrustletNode, krustlet_node

_FILE_BYTES: Final = 4096
_FILES: Final = 20
_LINES: Final = 2500  # at some 50 bytes each, these are thirty files; twenty last for a second
_ONCE_READ_BYTES: Final = 64 * 1024  # a file may be larger by what is read at once


@pytest.fixture(scope="module")
def sparing(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KrustletNode]:
    """A node with little room for logs, that only takes pods which name it."""
    directory = tmp_path_factory.mktemp("sparing")
    alone = ("--register-with-taints", "only=pods-that-name-it:NoSchedule")
    room = ("--container-log-max-size", str(_FILE_BYTES), "--container-log-max-files", str(_FILES))
    flags = ("--registry-certs-dir", certs, *alone, *room)
    with krustlet_node(cluster, directory / "all", "sparing-node", *flags) as node:
        yield node


def test_who_follows_a_log_loses_nothing_however_often_it_is_begun_anew(
    sparing: KrustletNode, bench: Bench, images: Images
) -> None:
    ticks = {"args": [str(_LINES), "1"]}
    bench.apply(a_pod("ticks", images("ticks"), container=ticks, nodeName=sparing.name))
    bench.until_phase("ticks", "Running")
    assert bench.logs("ticks", "-f") == "".join(f"tick {i}\n" for i in range(_LINES))
    bench.until_phase("ticks", "Succeeded")
    kept = sorted(sparing.logs.glob(f"{bench.namespace}_ticks_*/app/0.log*"))
    assert len(kept) == _FILES
    assert "tick 0\n" not in kept[0].read_text()  # the first files are gone
    assert bench.logs("ticks").splitlines()[-1] == f"tick {_LINES - 1}"


def test_a_flood_takes_no_more_room_than_a_log_may_and_its_end_is_kept(
    sparing: KrustletNode, bench: Bench, images: Images
) -> None:
    flood = {"args": ["50000", "100"]}
    bench.apply(a_pod("flood", images("lines"), container=flood, nodeName=sparing.name))
    bench.until_phase("flood", "Succeeded")
    kept = sorted(sparing.logs.glob(f"{bench.namespace}_flood_*/app/0.log*"))
    assert len(kept) == _FILES
    most = _FILES * (_FILE_BYTES + 2 * _ONCE_READ_BYTES)
    assert sum(file.stat().st_size for file in kept) <= most
    lines = bench.logs("flood").splitlines()
    numbers = [int(line.split()[0]) for line in lines]
    assert numbers == list(range(numbers[0], 50_000))
