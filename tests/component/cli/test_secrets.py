"""What one container is given is found nowhere else."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import Command, processes_with
from tests.support.until import until

_MOST_BYTES = 64 << 20  # of one region; a guest's memory is far smaller
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  containers:
    - {{name: before, image: "file:sleep.wasm"}}
    - {{name: keeper, image: "file:secret.wasm", env: [{{name: SECRET, value: "{secret}"}}]}}
    - {{name: after, image: "file:sleep.wasm"}}
"""


@pytest.mark.root
def test_a_secret_is_in_no_other_process_and_in_no_file(krustlet: Command, module: Modules) -> None:
    module("sleep"), module("secret")
    secret = secrets.token_hex(16)  # made here: in no environment that anybody inherits
    manifest = krustlet.directory / "pod.yaml"
    manifest.write_text(POD.format(secret=secret))
    with krustlet.start("run", "-q", "pod.yaml") as process:
        until(lambda: _logs(krustlet).count("ready") == 3)
        pids = {int(line.partition(":")[0]) for line in processes_with(str(krustlet.data))}
        holders = {pid for pid in pids if secret.encode() in _memory(pid)}
        others = pids - holders - {process.pid}
        assert len(pids - {process.pid}) == 5  # supervisor, log pump, three containers
        assert len(holders - {process.pid}) == 1  # the one it was meant for, so the search works
        assert len(others) == 4
        for pid in pids:
            assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
            assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        kept = [path for path in krustlet.data.rglob("*") if path.is_file()]
        assert kept
        assert not [path for path in kept if secret.encode() in path.read_bytes()]
        process.terminate()
        process.communicate(timeout=60)


def _logs(krustlet: Command) -> str:
    return "".join(path.read_text() for path in krustlet.data.glob("runs/*/logs/*/*/*.log"))


def _memory(pid: int) -> bytes:
    return b"".join(_regions(pid))


def _regions(pid: int) -> Iterator[bytes]:
    """Every region of a process' memory that it can read itself."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            addresses, permissions, *_ = line.split(maxsplit=5)
            begin, end = (int(address, 16) for address in addresses.split("-"))
            if permissions.startswith("r"):
                with contextlib.suppress(OSError):  # the kernel's own pages, which have no content
                    yield os.pread(memory, min(end - begin, _MOST_BYTES), begin)
    finally:
        os.close(memory)
