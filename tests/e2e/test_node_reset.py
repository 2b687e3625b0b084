"""`krustlet node reset`: a node leaves its cluster, and nothing of it stays on its machine."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.bench import Bench, a_pod
from tests.support.cluster import Cluster
from tests.support.command import KRUSTLET, Command, Result
from tests.support.guests import Guests, default_cache
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.terminal import CTRL_C, Terminal, at_a_terminal
from tests.support.until import PATIENCE_S, until, until_not

GRACE: Final = ("--grace-period", "2")


@pytest.fixture
def leaving(
    cluster: Cluster, runtime_class: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[KrustletNode]:
    """A node of the test's own."""
    name = "leaving"
    with krustlet_node(cluster, tmp_path / "node", name, "--allow-local-modules") as node:
        yield node


class Admin:
    """An administrator at the machine of a node."""

    def __init__(self, node: KrustletNode, directory: Path) -> None:
        self.node = node
        self._command = Command(directory)
        self._env = {
            "KUBECONFIG": str(node.cluster.kubeconfig()),
            "KRUSTLET_DATA_DIR": str(node.data),
            "KRUSTLET_POD_LOGS_DIR": str(node.logs),
        }

    def reset(self, *flags: str) -> Result:
        return self._command("node", "reset", self.node.name, *flags, **self._env)

    def asked(self, *flags: str) -> AbstractContextManager[Terminal]:
        return at_a_terminal(
            [*KRUSTLET, "node", "reset", self.node.name, *flags],
            cwd=self._command.directory,
            env=self._command.environment({**self._env, "NO_COLOR": "1"}),
        )

    def resetting(self, *flags: str) -> Any:
        return self._command.start("node", "reset", self.node.name, *flags, **self._env)


@pytest.fixture
def admin(leaving: KrustletNode, tmp_path: Path) -> Admin:
    return Admin(leaving, tmp_path)


def a_sleeper(node: KrustletNode, name: str, **spec: Any) -> dict[str, Any]:
    """A pod of that node that stays until it is ended."""
    module = Guests(default_cache()).path("sleep")
    container = {"args": ["600"], "imagePullPolicy": "IfNotPresent"}
    return a_pod(name, f"file:{module}", container=container, nodeName=node.name, **spec)


def lease_of(node: KrustletNode) -> Any:
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node.name}"
    return node.cluster.get(path)


def is_nothing_left(node: KrustletNode) -> bool:
    return node.object() is None and lease_of(node) is None and not node.data.exists()


def test_it_leaves_while_it_runs(leaving: KrustletNode, admin: Admin, bench: Bench) -> None:
    bench.apply(a_sleeper(leaving, "lone"))
    bench.until_phase("lone", "Running")
    with admin.resetting("--yes", "--force", *GRACE) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "now stop krustlet node" in line:
                leaving.stop()
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    text = "".join(said)
    assert text.index("cordoned") < text.index("evicted") < text.index("now stop")
    assert text.index("now stop") < text.index("node leaving deleted")
    assert bench.pod("lone") is None
    assert is_nothing_left(leaving)
    until_not(leaving.processes)


def test_one_that_was_stopped_leaves_too_and_twice_is_fine(
    leaving: KrustletNode, admin: Admin, bench: Bench
) -> None:
    bench.apply(a_sleeper(leaving, "lone"))
    bench.until_phase("lone", "Running")
    config = leaving.data / "config" / "config.yaml"
    config.parent.mkdir(exist_ok=True)
    config.write_text("port: 1\n")
    leaving.stop()
    assert leaving.containers()
    done = admin.reset("--yes", "--force", *GRACE)
    assert done.code == 0, done.stderr
    assert "containers ended: 1" in done.stdout
    assert leaving.object() is None
    assert lease_of(leaving) is None
    assert leaving.processes() == []
    assert list(leaving.data.iterdir()) == [config.parent]
    assert list(leaving.logs.iterdir()) == []
    again = admin.reset("--yes", "--all")
    assert again.code == 0, again.stderr
    assert "there is no node leaving in the cluster" in again.stdout
    assert is_nothing_left(leaving)


def test_nothing_is_done_without_force_for_what_nothing_makes_anew(
    leaving: KrustletNode, admin: Admin, bench: Bench
) -> None:
    bench.apply(a_sleeper(leaving, "lone"))
    bench.until_phase("lone", "Running")
    done = admin.reset("--yes")
    assert done.code == 1
    assert f"nothing makes these pods anew elsewhere: {bench.namespace}/lone" in done.stderr
    assert "--force" in done.stderr
    assert not leaving.object()["spec"].get("unschedulable")
    assert bench.phase("lone") == "Running"


def test_a_disruption_budget_is_kept(leaving: KrustletNode, admin: Admin, bench: Bench) -> None:
    labelled = a_sleeper(leaving, "kept")
    labelled["metadata"]["labels"] = {"app": "kept"}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "kept"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}},
    }
    bench.apply(labelled, budget)
    bench.until_phase("kept", "Running")
    until(lambda: bench.get("pdb", "kept")["status"].get("expectedPods"))
    done = admin.reset("--yes", "--force", "--timeout", "3s")
    assert done.code == 1
    assert "disruption budget" in done.stdout
    assert f"not gone within 3 s: {bench.namespace}/kept" in done.stderr
    assert bench.phase("kept") == "Running"
    assert leaving.object()["spec"]["unschedulable"] is True
    assert (leaving.data / "supervisor").exists()


def test_a_node_that_nobody_stops_keeps_its_data(leaving: KrustletNode, admin: Admin) -> None:
    done = admin.reset("--yes", "--timeout", "2s")
    assert done.code == 1
    assert "still in use by a krustlet node after 2 s" in done.stderr
    assert leaving.is_ready()
    assert (leaving.data / "supervisor").exists()


def test_who_ends_it_hears_that_the_node_is_cordoned(leaving: KrustletNode, admin: Admin) -> None:
    with admin.resetting("--yes") as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "now stop" in line or not line)
        assert said
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "kubectl uncordon leaving" in err
    assert leaving.object()["spec"]["unschedulable"] is True
    again = admin.reset("--yes", "--timeout", "1s")
    assert again.code == 1
    assert "cordoned" not in again.stdout
    assert "kubectl uncordon leaving" in again.stderr


def test_without_a_cluster_the_machine_can_be_cleaned(
    leaving: KrustletNode, admin: Admin, bench: Bench, tmp_path: Path
) -> None:
    bench.apply(a_sleeper(leaving, "lone"))
    bench.until_phase("lone", "Running")
    leaving.stop()
    done = admin.reset("--local-only", "--yes", "--kubeconfig", str(tmp_path / "none"), *GRACE)
    assert done.code == 0, done.stderr
    assert leaving.processes() == []
    assert not leaving.data.exists()
    assert leaving.object() is not None


def test_the_machine_can_be_left_alone(leaving: KrustletNode, admin: Admin) -> None:
    leaving.stop()
    done = admin.reset("--cluster-only", "--yes")
    assert done.code == 0, done.stderr
    assert leaving.object() is None
    assert (leaving.data / "supervisor").exists()


def test_a_controller_s_pods_need_no_force(
    leaving: KrustletNode, admin: Admin, bench: Bench
) -> None:
    pod = a_sleeper(leaving, "made", restartPolicy="Always")
    labels = {"app": "made"}
    template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "made"}}
    bench.apply({**made, "spec": spec})
    (first,) = until(bench.pods)
    bench.until_phase(first["metadata"]["name"], "Running")
    done = admin.reset("--yes", "--cluster-only", *GRACE)
    assert done.code == 0, done.stderr
    assert f"pod {bench.namespace}/{first['metadata']['name']} evicted" in done.stdout


# what goes wrong ----------------------------------------------------------------------------------


def test_the_node_itself_may_not(leaving: KrustletNode, admin: Admin) -> None:
    own = str(leaving.cluster.node_kubeconfig(leaving.name))
    done = admin.reset("--yes", "--cluster-only", "--kubeconfig", own)
    assert done.code == 1
    assert "may not" in done.stderr
    assert "an administrator's kubeconfig" in done.stderr
    assert leaving.is_ready()


def test_nobody_is_asked_where_there_is_no_terminal(leaving: KrustletNode, admin: Admin) -> None:
    done = admin.reset()
    assert done.code == 2
    assert "--yes" in done.stderr
    assert leaving.is_ready()


@pytest.mark.parametrize(("keys", "code"), [(b"n\n", 1), (b"\n", 1), (CTRL_C, 130)])
def test_who_is_asked_may_say_no(
    leaving: KrustletNode, admin: Admin, keys: bytes, code: int
) -> None:
    with admin.asked() as terminal:
        terminal.until(b"[y/N]")
        terminal.type(keys)
        assert terminal.end() == code
    seen = b" ".join(terminal.seen.split())
    assert b"Take node leaving out of the cluster" in seen
    assert str(leaving.data).encode() in terminal.seen
    assert not leaving.object()["spec"].get("unschedulable")


def test_who_is_asked_may_say_yes(leaving: KrustletNode, admin: Admin) -> None:
    leaving.stop()
    with admin.asked() as terminal:
        terminal.until(b"[y/N]")
        terminal.type(b"y\n")
        assert terminal.end() == 0
    assert is_nothing_left(leaving)


def test_a_directory_of_somebody_else_is_not_touched(
    leaving: KrustletNode, admin: Admin, tmp_path: Path
) -> None:
    (precious := tmp_path / "kubelet" / "pods" / "x").mkdir(parents=True)
    done = admin.reset("--yes", "--data-dir", str(tmp_path / "kubelet"))
    assert done.code == 1
    assert "does not look like the data directory of a krustlet" in done.stderr
    assert precious.exists()
    assert leaving.is_ready()


@pytest.mark.parametrize("flags", [("--local-only", "--cluster-only"), ("--cluster-only", "--all")])
def test_what_does_not_go_together_is_wrong_usage(tmp_path: Path, flags: tuple[str, ...]) -> None:
    done = Command(tmp_path)("node", "reset", "--yes", *flags)
    assert done.code == 2
