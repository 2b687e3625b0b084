"""The rig itself: a control plane is whole, may be away for a while, and leaves nothing behind."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.authority import signing_request
from tests.support.children import ChildError
from tests.support.cluster import Cluster
from tests.support.command import Result, processes_writing_below
from tests.support.controlplane import (
    CONTROL_PLANE,
    KUBERNETES,
    Programs,
)
from tests.support.processes import is_alive, processes_of
from tests.support.registry import Registry
from tests.support.until import until, until_not

ROOT = Path(__file__).parents[2]

A_TOKEN = "abcdef.0123456789abcdef"


def an_object(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def a_pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app"}
    return an_object("Pod", name, spec={"containers": [container], **spec})


class Maker:
    """Makes objects in a cluster that others use, too, and takes them away again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: list[dict[str, Any]] = []

    def __call__(self, *objects: dict[str, Any]) -> None:
        result = self.attempt(*objects)
        assert result.code == 0, result.stderr

    def attempt(self, *objects: dict[str, Any], kubeconfig: Path | None = None) -> Result:
        self._made += objects
        return self._cluster.kubectl(
            "create", "-f", "-", stdin=a_list(objects), kubeconfig=kubeconfig
        )

    def clean_up(self) -> None:
        if self._made:
            at_once = ("--force", "--grace-period=0", "--ignore-not-found", "--wait=false")
            result = self._cluster.kubectl("delete", "-f", "-", *at_once, stdin=a_list(self._made))
            assert result.code == 0, result.stderr


def a_list(objects: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


@pytest.fixture
def create(cluster: Cluster) -> Iterator[Maker]:
    maker = Maker(cluster)
    yield maker
    maker.clean_up()


def condition(cluster: Cluster, path: str, kind: str) -> dict[str, Any]:
    """The condition `kind` of the object at `path`, empty if it has none."""
    conditions = cluster.get(path)["status"].get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


# the control plane -------------------------------------------------------------------------------


def test_the_api_server_is_of_the_version_that_the_module_asks_for(cluster: Cluster) -> None:
    assert cluster.get("/version")["gitVersion"] == KUBERNETES.version_of("k8s.io/kubernetes")


def test_the_default_namespace_is_ready_for_pods(cluster: Cluster) -> None:
    assert cluster.get("/api/v1/namespaces/default")["status"]["phase"] == "Active"
    assert cluster.get("/api/v1/namespaces/default/serviceaccounts/default") is not None
    assert cluster.get("/api/v1/namespaces/default/configmaps/nobody-made-this") is None


def test_kubectl_says_what_it_was_refused(cluster: Cluster) -> None:
    result = cluster.kubectl("get", "pod", "nobody-made-this")
    assert (result.code, result.stdout) == (1, "")
    assert 'pods "nobody-made-this" not found' in result.stderr


def test_a_node_registers_itself_and_no_other(cluster: Cluster, create: Maker) -> None:
    as_alice = cluster.node_kubeconfig("alice")

    assert create.attempt(an_object("Node", "alice"), kubeconfig=as_alice).code == 0

    refused = create.attempt(an_object("Node", "bob"), kubeconfig=as_alice)
    assert refused.code == 1
    assert 'node "alice" is not allowed to modify node "bob"' in refused.stderr
    assert cluster.get("/api/v1/nodes/bob") is None


def test_a_node_reads_the_secrets_of_its_own_pods_only(cluster: Cluster, create: Maker) -> None:
    mounts = {"volumes": [{"name": "s", "secret": {"secretName": "for-carol"}}]}
    create(
        an_object("Secret", "for-carol"),
        an_object("Secret", "for-nobody"),
        a_pod("on-carol", nodeName="carol", **mounts),
    )
    as_carol = cluster.node_kubeconfig("carol")

    def reads(secret: str) -> bool:
        return cluster.kubectl("get", "secret", secret, kubeconfig=as_carol).code == 0

    until(lambda: reads("for-carol"))
    assert not reads("for-nobody")


def test_a_pod_that_is_bound_to_a_node_is_pending(cluster: Cluster, create: Maker) -> None:
    create(an_object("Node", "dave"), a_pod("bound", nodeName="dave"))

    bound = cluster.get("/api/v1/namespaces/default/pods/bound")

    assert (bound["spec"]["nodeName"], bound["status"]["phase"]) == ("dave", "Pending")


def test_a_pod_is_scheduled_to_the_node_that_it_fits(cluster: Cluster, create: Maker) -> None:
    path = "/api/v1/namespaces/default/pods/choosy"
    create(a_pod("choosy", nodeSelector={"kubernetes.io/hostname": "erin"}))
    until(
        lambda: condition(cluster, path, "PodScheduled").get("reason") == "Unschedulable",
    )

    create(a_ready_node("erin"))

    until(lambda: cluster.get(path)["spec"].get("nodeName") == "erin")


def a_ready_node(name: str) -> dict[str, Any]:
    node = an_object("Node", name)
    node["metadata"]["labels"] = {"kubernetes.io/hostname": name}
    room = {"cpu": "1", "memory": "1Gi", "pods": "10"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {**node, "status": {"capacity": room, "allocatable": room, "conditions": [ready]}}


def test_a_bootstrap_token_is_traded_for_a_signed_certificate(
    cluster: Cluster, create: Maker
) -> None:
    identifier, secret = A_TOKEN.split(".")
    token = {
        "token-id": identifier,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
    }
    created = an_object(
        "Secret",
        f"bootstrap-token-{identifier}",
        type="bootstrap.kubernetes.io/token",
        stringData=token,
    )
    created["metadata"]["namespace"] = "kube-system"
    create(
        created,
        allow("bootstrap-asks", "system:node-bootstrapper"),
        allow(
            "bootstrap-gets",
            "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        ),
    )
    request = {
        **an_object("CertificateSigningRequest", "frank"),
        "apiVersion": "certificates.k8s.io/v1",
        "spec": {
            "request": signing_request("system:node:frank", groups=["system:nodes"]),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }

    asked = create.attempt(request, kubeconfig=cluster.token_kubeconfig(A_TOKEN))

    assert asked.code == 0, asked.stderr
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/frank"
    until(lambda: cluster.get(path)["status"].get("certificate"))


def allow(name: str, role: str) -> dict[str, Any]:
    """Whoever has a bootstrap token may do what `role` says."""
    api = "rbac.authorization.k8s.io"
    return {
        **an_object("ClusterRoleBinding", name),
        "apiVersion": f"{api}/v1",
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": "system:bootstrappers"}],
    }


# its life ----------------------------------------------------------------------------------------


def test_the_api_server_goes_away_and_comes_back_with_all_it_knew(
    cluster: Cluster, create: Maker
) -> None:
    create(an_object("ConfigMap", "kept", data={"answer": "42"}))

    cluster.stop_apiserver()
    try:
        refused = cluster.kubectl("get", "configmap", "kept")
        with pytest.raises(ConnectionRefusedError):
            cluster.get("/readyz")
    finally:
        cluster.start_apiserver()

    assert (refused.code, "refused" in refused.stderr) == (1, True)
    assert cluster.get("/api/v1/namespaces/default/configmaps/kept")["data"] == {"answer": "42"}
    create(an_object("Namespace", "later"))  # and the controllers have found it again
    until(
        lambda: cluster.get("/api/v1/namespaces/later/serviceaccounts/default"),
    )


async def test_another_cluster_beside_it_knows_nothing_of_it_and_leaves_nothing(
    cluster: Cluster, create: Maker, programs: Programs, tmp_path: Path
) -> None:
    create(an_object("ConfigMap", "here"))
    directory = tmp_path / "other"

    async with Cluster.start(directory, programs=programs) as other:
        pids = other.pids()
        assert other.server != cluster.server
        assert other.get("/api/v1/namespaces/default/configmaps/here") is None
        assert len(pids) == len(CONTROL_PLANE)

    assert not [pid for pid in pids if is_alive(pid)]
    assert list(tmp_path.iterdir()) == []
    assert cluster.get("/api/v1/namespaces/default/configmaps/here") is not None


def test_a_program_that_does_not_start_says_why_and_its_logs_stay(
    programs: Programs, tmp_path: Path
) -> None:
    directory = tmp_path / "cluster"
    flags = {"kube-controller-manager": ["--no-such-flag"]}

    with (
        pytest.raises(ChildError, match=r"(?s)kube-controller-manager ended.*unknown flag"),
        Cluster.start(directory, programs=programs, flags=flags),
    ):
        pytest.fail("it started")

    assert processes_of(directory) == []
    assert [path.name for path in directory.iterdir()] == ["logs"]


def test_nothing_outlives_a_test_run_that_is_killed(programs: Programs, tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    script = (
        "import sys; from pathlib import Path; from tests.support.cluster import Cluster\n"
        "with Cluster.start(Path(sys.argv[1])) as cluster: print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        assert len(processes_of(directory)) == 1 + len(CONTROL_PLANE)
        run.kill()

    until_not(lambda: processes_of(directory))


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_cluster_run_by_hand_says_how_to_use_it_and_cleans_up(
    programs: Programs, tmp_path: Path, sign: signal.Signals
) -> None:
    with by_hand(tmp_path) as run:
        assert run.stdout is not None
        kubeconfig = next(line for line in run.stdout if "KUBECONFIG=" in line).partition("=")[2]
        kubectl = subprocess.run(
            [programs.path("kubectl"), "get", "namespaces", "-o", "name"],
            env={**os.environ, "KUBECONFIG": kubeconfig.strip(), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        run.send_signal(sign)
        rest = run.stdout.read()

    assert "namespace/default\n" in kubectl.stdout, kubectl.stderr
    assert (run.returncode, "Stopped." in rest) == (0, True)
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("krustlet-cluster-*")) == []


def test_what_a_cluster_run_by_hand_says_can_be_pasted(programs: Programs, tmp_path: Path) -> None:
    with by_hand(tmp_path) as run:
        assert run.stdout is not None
        said = "".join(itertools.takewhile(lambda line: "Ctrl-C" not in line, run.stdout))
        _, node, use = said.split("\n# In a ")
        with pasted(node, tmp_path) as running:
            used = subprocess.run(
                ["bash", "-e"],
                input=f"# In a {use}",
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            kept = processes_writing_below(tmp_path)
            running.send_signal(signal.SIGINT)
            node_said = running.communicate(timeout=30)[0]
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)

    assert used.stdout.endswith("\nHello, world!\n"), f"{used}\n{node_said}"
    assert (used.returncode, running.returncode, run.returncode) == (0, 0, 0)
    assert kept
    until_not(lambda: processes_writing_below(tmp_path))
    assert list(tmp_path.glob("krustlet-cluster-*")) == []


@contextlib.contextmanager
def pasted(text: str, home: Path) -> Iterator["subprocess.Popen[str]"]:
    """The one command that `text` holds after a comment's line, killed at the latest here."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {text.partition(':')[2].strip()}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(home)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_cluster_run_by_hand_ends_when_one_of_its_programs_does(
    programs: Programs, tmp_path: Path
) -> None:
    with by_hand(tmp_path) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert next(line for line in run.stdout if "Ctrl-C" in line)
        etcd = next(pid for pid in processes_of(tmp_path) if program_of(pid) == "etcd")
        os.kill(etcd, signal.SIGKILL)
        words = run.stderr.read()

    assert run.returncode == 1
    assert "etcd ended with code -9" in words
    assert processes_of(tmp_path) == []


@contextlib.contextmanager
def by_hand(temporary: Path) -> Iterator["subprocess.Popen[str]"]:
    """A cluster as `make cluster` runs one, killed at the latest here."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.run_cluster"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as run:
        try:
            yield run
        except BaseException:
            run.kill()  # or its end would be waited for, and it has no reason to
            raise


def program_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0].rpartition("/")[2]


# the registry ------------------------------------------------------------------------------------


def test_what_is_pushed_to_the_registry_can_be_pulled(programs: Programs, tmp_path: Path) -> None:
    with Registry.start(tmp_path / "registry", programs=programs) as registry:
        digest = registry.push("greetings/hello", "v1", b"\0asm")
        manifest = registry.request("GET", f"/v2/greetings/hello/manifests/{digest}")
        (layer,) = msgspec.json.decode(manifest.body)["layers"]
        blob = registry.request("GET", f"/v2/greetings/hello/blobs/{layer['digest']}")

    assert (layer["mediaType"], blob.body) == ("application/wasm", b"\0asm")
    assert list(tmp_path.iterdir()) == []


async def test_a_registry_with_users_lets_nobody_else_in(
    programs: Programs, tmp_path: Path
) -> None:
    users = {"alice": "correct horse"}
    async with Registry.start(tmp_path / "registry", users=users, programs=programs) as registry:
        registry.push("hello", "v1", b"\0asm")
        anybody = registry.request("GET", "/v2/hello/manifests/v1")
        alice = registry.request("GET", "/v2/hello/manifests/v1", user="alice")

    assert (anybody.status, alice.status) == (401, 200)
    assert anybody.headers["www-authenticate"].startswith("Basic ")
