"""The kubelet dies, its containers do not, and the next kubelet goes on with them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from krustlet.kubelet import remove_run
from krustlet.objects import ContainerStatus
from tests.support.command import processes_writing_below
from tests.support.guests import Guests
from tests.support.node import Printed
from tests.support.until import until, until_not

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {{name: p, uid: 11111111-aaaa}}
spec:
  restartPolicy: {policy}
  containers: [{{name: c, image: "file:{guest}.wasm", args: {args}}}]
"""


class Node:
    """A kubelet in a process of its own, on a directory that outlives it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest = directory / "pod.yaml"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.node", str(self.directory / "root")]
        self._process = subprocess.Popen(
            [*command, str(self.manifest)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=60)

    def delete(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("delete 11111111-aaaa\n")
        self._process.stdin.flush()

    def until(self, phase: str) -> Printed:
        """The first status of that phase from here on."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            printed = msgspec.json.decode(line, type=Printed)
            if printed.phase == phase:
                return printed
        raise AssertionError(f"it ended without a word of {phase}")

    def until_container(self, phase: str) -> ContainerStatus:
        return self.until(phase).status.container_statuses[0]

    def log(self) -> str:
        logs = sorted(self.directory.glob("root/logs/*/c/*.log"))
        files = [f for log in logs for f in (*sorted(log.parent.glob(f"{log.name}.*")), log)]
        return "".join(file.read_text() for file in files)


@pytest.fixture
def node(tmp_path: Path, guests: Guests) -> Iterator[Node]:
    for name in ("sleep", "exit", "lines"):
        (tmp_path / f"{name}.wasm").symlink_to(guests.path(name))
    node = Node(tmp_path)
    yield node
    node.kill()
    supervisors = processes_writing_below(tmp_path)
    assert supervisors  # they outlive their kubelet
    for pid in supervisors:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until_not(lambda: processes_writing_below(tmp_path))
    remove_run(tmp_path / "root")  # its mounts and control groups have outlived it, too


def test_a_running_container_goes_on_as_it_is(node: Node) -> None:
    node.manifest.write_text(MANIFEST.format(policy="Always", guest="sleep", args="[]"))
    node.start()
    before = node.until_container("Running")
    until(lambda: "ready" in node.log())
    node.kill()
    node.start()
    after = node.until_container("Running")
    assert after.container_id == before.container_id
    assert after.restart_count == 0
    assert after.state.running is not None
    assert node.log().count("ready") == 1


def test_it_ends_and_leaves_nothing_when_the_next_kubelet_is_told(node: Node) -> None:
    node.manifest.write_text(MANIFEST.format(policy="Always", guest="sleep", args="[]"))
    node.start()
    node.until("Running")
    node.kill()
    node.start()
    node.until("Running")
    node.delete()
    node.until("Gone")
    assert not list(node.directory.glob("root/pods/*"))


def test_an_exit_meanwhile_is_reported_with_its_code(node: Node) -> None:
    node.manifest.write_text(MANIFEST.format(policy="Never", guest="sleep", args='["1"]'))
    node.start()
    node.until("Running")
    node.kill()
    until(lambda: "done" in node.log())
    node.start()
    container = node.until_container("Succeeded")
    assert container.state.terminated is not None
    assert container.state.terminated.exit_code == 0
    assert container.restart_count == 0


def test_no_log_line_is_lost_while_there_is_no_kubelet(node: Node) -> None:
    node.manifest.write_text(MANIFEST.format(policy="Never", guest="lines", args='["500000", "9"]'))
    node.start()
    node.until("Running")
    node.kill()
    node.start()
    node.until("Succeeded")
    numbers = [int(line.split()[3]) for line in node.log().splitlines()]
    assert numbers == list(range(500_000))


def test_a_crash_loop_goes_on_where_it_was(node: Node) -> None:
    node.manifest.write_text(MANIFEST.format(policy="Always", guest="exit", args='["3"]'))
    node.start()
    while not (waiting := node.until_container("Running")).state.waiting:
        pass
    assert waiting.state.waiting.reason == "CrashLoopBackOff"
    node.kill()
    node.start()
    resumed = node.until_container("Running")
    assert resumed.state.waiting == waiting.state.waiting
    assert resumed.restart_count == waiting.restart_count == 1
