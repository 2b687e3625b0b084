"""What `make cluster` leaves behind when somebody ends it while pods still run: nothing."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.cgroups import Limits, detect
from tests.support.run_cluster import clean_up

pytestmark = pytest.mark.root


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of a cluster with a node that was given a directory in memory."""
    directory = tmp_path / "krustlet-cluster"
    memory = directory / "node" / "memory"
    memory.mkdir(parents=True)
    (directory / "node" / "supervisor").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", memory], check=True)
    return directory


@pytest.fixture
def supervisor(directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that says that it is the node's supervisor."""
    words = ["--directory", f"{directory}/node/supervisor"]
    with sleeping(*words) as process:
        yield process
        process.kill()


def sleeping(*words: str) -> "subprocess.Popen[bytes]":
    script = "import time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_the_supervisor_the_mounts_and_the_groups_of_its_node_go(
    directory: Path, supervisor: "subprocess.Popen[bytes]"
) -> None:
    name = hashlib.sha256(f"{directory}/node".encode()).hexdigest()[:12]
    cgroups = detect(f"krustlet/{name}")
    cgroups.make("pod-left", Limits(memory_bytes=64 << 20))
    tops = [Path(top) for top in cgroups.tops]
    assert all(top.is_dir() for top in tops)

    with sleeping(f"{directory}/node/an-open-file") as editor:
        clean_up(directory)
        assert editor.poll() is None
        editor.kill()

    assert supervisor.wait(timeout=60) == -15
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()
    assert not directory.exists()
    assert not [top for top in tops if top.exists()]
    assert os.listdir(directory.parent) == []
