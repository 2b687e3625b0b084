"""On the node itself: commands run in containers, attached to, stopped and removed by its user."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.cluster import Cluster
from tests.support.command import KRUSTLET, Command, Result
from tests.support.containers import Group, groups_of, process_of
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.processes import is_alive, status
from tests.support.terminal import Terminal, at_a_terminal
from tests.support.until import PATIENCE_S, until, until_not

pytestmark = pytest.mark.root

_LONG: Final = ["100000", "100"]  # ticks, and the milliseconds between them


@pytest.fixture(scope="module")
def mortal(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KrustletNode]:
    """A node that these tests may kill, and that only takes pods which name it."""
    directory = tmp_path_factory.mktemp("mortal")
    alone = ("--register-with-taints", "only=pods-that-name-it:NoSchedule")
    flags = ("--registry-certs-dir", certs, *alone)
    with krustlet_node(cluster, directory / "all", "mortal-exec-node", *flags) as node:
        yield node


class Person:
    """Somebody on the machine of a node."""

    def __init__(self, node: KrustletNode, bench: Bench, directory: Path) -> None:
        self.krustlet = Command(directory)
        self._of = ("-n", bench.namespace, "--data-dir", str(node.data))

    def calls(self, command: str, *words: str, stdin: str = "") -> Result:
        return self.krustlet(command, *self._of, *words, stdin=stdin)

    @contextlib.contextmanager
    def sits_at(self, command: str, *words: str) -> Iterator[Terminal]:
        """A terminal in which the command has been called."""
        with at_a_terminal(
            [*KRUSTLET, command, *self._of, *words],
            cwd=self.krustlet.directory,
            env=self.krustlet.environment({"TERM": "xterm", "NO_COLOR": "1"}),
        ) as terminal:
            yield terminal


@pytest.fixture
def person(node: KrustletNode, bench: Bench, tmp_path: Path) -> Person:
    return Person(node, bench, tmp_path)


# exec -----------------------------------------------------------------------------------------


def test_a_command_prints_and_ends_beside_the_container(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("ticks", images("ticks"), container={"args": _LONG}))
    bench.until_phase("ticks", "Running")
    said = person.calls("exec", "ticks", "--", "ticks", "2", "1", "7")
    assert (said.code, said.stdout, said.stderr) == (7, "tick 0\ntick 1\n", "")
    assert container_of(bench.pod("ticks"))["restartCount"] == 0
    assert bench.phase("ticks") == "Running"


def test_what_is_piped_into_a_command_comes_back(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("reads", images("stdin"), container={"stdin": True}))
    bench.until_phase("reads", "Running")
    text = "a line\n" * 20_000
    said = person.calls("exec", "-i", "reads", "--", "stdin", stdin=text)
    assert (said.code, said.stdout, said.stderr) == (0, text, "")


def test_a_command_at_a_terminal_has_one(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("talks", images("tty"), container={"stdin": True}))
    bench.until_phase("talks", "Running")
    with person.sits_at("exec", "-it", "talks", "--", "tty") as terminal:
        terminal.until(b"111")
        terminal.type(b"hello\r")
        terminal.until(b"got hello")
        assert terminal.end() == 0
    assert bench.phase("talks") == "Running"


def test_a_command_is_held_to_the_limits_and_the_user_of_its_container_and_ends_with_it(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    limits = {"limits": {"memory": "64Mi", "cpu": "500m"}}
    bench.apply(a_pod("held", images("ticks"), container={"args": _LONG, "resources": limits}))
    pod = bench.until_phase("held", "Running")
    main = process_of(node, pod)
    group = Group.of(main)
    with person.krustlet.start(
        "exec", "held", "-n", bench.namespace, "--data-dir", node.data, "--", "ticks", *_LONG
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "tick 0\n"
        (visitor,) = set(group.pids) - {main}
        for what in ("Uid", "Gid", "Groups", "CapEff", "NoNewPrivs", "Seccomp"):
            assert status(visitor)[what] == status(main)[what], what
        for kind in ("mnt", "uts", "ipc"):
            ours, theirs = (Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in (main, visitor))
            assert ours == theirs, kind
        assert bench.kubectl("delete", "pod", "held").code == 0
        until_not(lambda: is_alive(visitor))
        assert command.wait(timeout=PATIENCE_S) == 137
    until_not(lambda: groups_of(pod))


def test_a_command_runs_in_a_container_that_a_killed_kubelet_has_left(
    mortal: KrustletNode, bench: Bench, images: Images, tmp_path: Path
) -> None:
    ticks = {"args": _LONG}
    bench.apply(a_pod("adopted", images("ticks"), container=ticks, nodeName=mortal.name))
    before = container_of(bench.until_phase("adopted", "Running"))
    mortal.kill()
    mortal.start()
    said = Person(mortal, bench, tmp_path).calls("exec", "adopted", "--", "ticks", "1", "1", "5")
    assert (said.code, said.stdout, said.stderr) == (5, "tick 0\n", "")
    assert container_of(bench.pod("adopted"))["containerID"] == before["containerID"]


def test_a_killed_kubelet_takes_the_commands_along_but_not_their_container(
    mortal: KrustletNode, bench: Bench, images: Images, tmp_path: Path
) -> None:
    ticks = {"args": _LONG}
    bench.apply(a_pod("alone", images("ticks"), container=ticks, nodeName=mortal.name))
    pod = bench.until_phase("alone", "Running")
    main = process_of(mortal, pod)
    person = Person(mortal, bench, tmp_path)
    with person.krustlet.start(
        "exec", "alone", "-n", bench.namespace, "--data-dir", mortal.data, "--", "ticks", *_LONG
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "tick 0\n"
        mortal.kill()
        assert command.wait(timeout=PATIENCE_S) == 1
    mortal.start()
    until(lambda: Group.of(main).pids == [main])
    assert container_of(bench.pod("alone")) == container_of(pod)


# attach ---------------------------------------------------------------------------------------


def test_what_is_piped_into_a_container_is_its_input_once(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    reads = {"stdin": True, "stdinOnce": True}
    bench.apply(a_pod("reads", images("stdin"), container=reads))
    bench.until_phase("reads", "Running")
    said = person.calls("attach", "reads", stdin="one\ntwo\n")
    assert (said.code, said.stdout) == (0, "one\ntwo\n")
    bench.until_phase("reads", "Succeeded")
    assert bench.logs("reads") == "one\ntwo\n"


def test_a_container_with_a_terminal_is_talked_to_and_left_to_itself(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("shell", images("stdin"), container={"stdin": True, "tty": True}))
    bench.until_phase("shell", "Running")
    with person.sits_at("attach", "shell") as terminal:
        terminal.until_that(terminal.is_raw)
        terminal.type(b"hello\r")
        terminal.until(b"hello\r\nhello\r\n")  # the echo, and the answer
        terminal.type(b"\x10\x11")
        assert terminal.end() == 0
    assert bench.phase("shell") == "Running"


# stop and rm ----------------------------------------------------------------------------------


def test_what_is_stopped_starts_again_where_its_policy_says_so(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("always", images("sleep"), restartPolicy="Always"))
    first = container_of(bench.until_phase("always", "Running"))
    said = person.calls("stop", "always")
    assert (said.code, said.stdout, said.stderr) == (0, "pod always stopped\n", "")

    def is_back() -> Any:
        now = container_of(bench.pod("always"))
        return now if now["restartCount"] == 1 and "running" in now["state"] else None

    now = until(is_back)
    assert now["containerID"] != first["containerID"]
    assert now["lastState"]["terminated"]["exitCode"] == 143


def test_what_is_stopped_stays_so_where_it_is_to_run_once(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("once", images("sleep")))
    bench.until_phase("once", "Running")
    assert person.calls("stop", "once").code == 0
    end = container_of(bench.until_phase("once", "Failed"))["state"]["terminated"]
    assert end["exitCode"] == 143


def test_a_guest_that_wants_its_time_has_as_much_as_who_stops_it_says(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    for name, guest in (("heeds", "waits"), ("deaf", "spin")):
        pod = a_pod(name, images(guest))
        pod["metadata"]["annotations"] = {"krustlet.dev/on-terminate": "wait"}
        bench.apply(pod)
        bench.until_phase(name, "Running")
        until(lambda name=name: bench.logs(name) == "ready\n")  # type: ignore[misc] # bound now
    assert person.calls("stop", "--time", "1", "heeds", "deaf").code == 0
    codes = [
        container_of(bench.until_phase(name, phase))["state"]["terminated"]["exitCode"]
        for name, phase in (("heeds", "Succeeded"), ("deaf", "Failed"))
    ]
    assert codes == [0, 137]


def test_what_is_removed_is_gone_from_the_cluster(
    node: KrustletNode, bench: Bench, images: Images, person: Person
) -> None:
    bench.apply(a_pod("unwanted", images("sleep")))
    pod = bench.until_phase("unwanted", "Running")
    said = person.calls("rm", "unwanted")
    assert (said.code, said.stdout, said.stderr) == (0, "pod unwanted removed\n", "")
    assert bench.pod("unwanted") is None
    assert not (node.data / "pods" / pod["metadata"]["uid"]).exists()
