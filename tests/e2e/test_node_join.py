"""A node that has nothing but a bootstrap token joins a real cluster, as kubelets do."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.bench import Bench, a_pod
from tests.support.cluster import Cluster
from tests.support.controlplane import Programs
from tests.support.guests import Guests
from tests.support.joining import CLIENT_SIGNER, SERVING_SIGNER, Joining, sans_of
from tests.support.joining_machine import Machine
from tests.support.joining_node import (
    approved,
    candidate,
    client_certificate_of,
    is_signed,
    kubeconfig_of,
    serving_certificate_of,
    shown_by,
    stdout_of,
    until_joined,
    until_ready,
)
from tests.support.krustlet_node import KrustletNode, Launch, krustlet_node_to_be
from tests.support.until import until

pytestmark = pytest.mark.root

_HERE: Final = "192.168.11.1"
_OF_THE_GUIDE: Final = "192.168.11.5"
_ASKS: Final = (
    "BOOTSTRAP: TLS certificate requires manual approval. Run kubectl certificate approve"
)
_GOES_ON: Final = "BOOTSTRAP: received TLS certificate approval: continuing"
_IP: Final = "192.0.2.9"  # of nobody


@pytest.fixture(scope="module")
def cluster(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """One of these tests' own, that believes no kubelet whose certificate it has not signed."""
    failed_before = request.session.testsfailed
    directory = tmp_path_factory.mktemp("cluster")
    believes = {
        "kube-apiserver": [f"--kubelet-certificate-authority={directory / 'pki' / 'ca.crt'}"]
    }
    with Cluster.start(directory, programs=programs, flags=believes, also_at=[_HERE]) as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed_before


@pytest.fixture(scope="module")
def joining(cluster: Cluster) -> Joining:
    joining = Joining(cluster)
    joining.let_tokens_ask()
    return joining


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# the client certificate -----------------------------------------------------------------------


def test_it_asks_for_what_a_kubelet_asks_for_and_says_what_to_run(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "asks") as node:
        node.start_only()
        asked = joining.until_asked("asks", CLIENT_SIGNER)
        until(lambda: stdout_of(node))
        assert asked.name == "asks"
        assert asked.subject == ["system:node:asks", "system:nodes"]
        assert asked.sans == []
        assert sorted(asked.usages) == ["client auth", "digital signature"]
        assert asked.user.startswith("system:bootstrap:")
        assert stdout_of(node) == [f"{_ASKS} asks"]
        assert node.object() is None
        assert not kubeconfig_of(node).exists()
        assert node.is_running()


def test_once_approved_it_is_a_ready_node_with_credentials_that_are_its_own(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "approved") as node:
        until_ready(joining, node)
        row = _row(joining, "approved")
        assert row[1] == "Ready"
        assert re.fullmatch(r"v1\.\d+\.\d+\+krustlet\..*", row[4])
        assert stdout_of(node)[:2] == [f"{_ASKS} approved", _GOES_ON]
        assert _mode(kubeconfig_of(node)) == 0o600
        assert _mode(node.data / "pki") == 0o700
        kept = client_certificate_of(node)
        assert {_mode(file) for file in (node.data / "pki").iterdir()} == {0o600}
        config = yaml.safe_load(kubeconfig_of(node).read_text())
        assert config["users"][0]["user"] == {
            "client-certificate": str(kept),
            "client-key": str(kept),
        }
        said = joining.cluster.kubectl(
            "auth", "whoami", "-o", "name", kubeconfig=kubeconfig_of(node)
        )
        assert said.code == 0, said.stderr


def test_a_token_is_asked_with_once_and_told_to_nobody(joining: Joining, tmp_path: Path) -> None:
    with candidate(joining, tmp_path / "it", "once") as node:
        until_joined(joining, node)
        asked = joining.requests("once")
        node.stop()
        (tmp_path / "it" / "bootstrap.conf").unlink()  # nobody needs it any more
        node.start()
        assert joining.requests("once") == asked
        secret = "secret0"  # how that part of each test's token begins
        assert secret not in node.said()
        assert not [file for file in _files(node.data) if secret.encode() in file.read_bytes()]


def test_started_anew_while_it_waits_it_finds_its_request_again(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "again") as node:
        node.start_only()
        first = joining.until_asked("again", CLIENT_SIGNER)
        until(lambda: stdout_of(node))
        node.stop()
        node.start_only()
        until(lambda: len(stdout_of(node)) == 2)
        joining.approve(first.name)
        until(node.is_ready)
        assert [one.name for one in joining.requests("again", CLIENT_SIGNER)] == [first.name]


def test_with_a_bootstrap_file_the_users_own_kubeconfig_is_nothing_to_it(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "modest") as node:
        own = node.data.parent / ".kube" / "config"
        own.parent.mkdir()
        own.write_bytes(joining.cluster.kubeconfig().read_bytes())
        until_ready(joining, node)
        assert kubeconfig_of(node).exists()
        assert own.read_bytes() == joining.cluster.kubeconfig().read_bytes()


def test_the_kubeconfig_is_written_where_the_environment_says(
    joining: Joining, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "new" / "kubeconfig"
    with candidate(
        joining, tmp_path / "it", "elsewhere", environment={"KUBECONFIG": str(elsewhere)}
    ) as node:
        until_ready(joining, node)
        assert _mode(elsewhere) == 0o600
        assert not kubeconfig_of(node).exists()


def test_a_node_may_be_tainted_as_those_of_the_older_generation(
    joining: Joining, tmp_path: Path
) -> None:
    taint = "krustlet/arch=wasm32-wasi:NoExecute"
    with candidate(joining, tmp_path / "it", "older", "--register-with-taints", taint) as node:
        until_ready(joining, node)
        taints = [
            one for one in node.object()["spec"]["taints"] if "kubernetes.io" not in one["key"]
        ]
        assert taints == [{"key": "krustlet/arch", "value": "wasm32-wasi", "effect": "NoExecute"}]


# the serving certificate ----------------------------------------------------------------------


def test_its_api_is_self_signed_until_the_cluster_has_signed_and_trusted_from_then_on(
    joining: Joining, bench: Bench, guests: Guests, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "serves") as node:
        until_ready(joining, node)
        asked = joining.until_asked("serves", SERVING_SIGNER)
        ip = _address(node, "InternalIP")
        assert asked.name == "serves-tls"
        assert asked.subject == ["system:node:serves", "system:nodes"]
        assert asked.sans == ["serves", ip]
        assert sorted(asked.usages) == ["digital signature", "server auth"]
        assert asked.user == "system:node:serves"
        until(lambda: f"{_ASKS} serves-tls" in stdout_of(node))
        assert not is_signed(node)

        bench.apply(_a_hello(node, guests))
        bench.until_phase("hello", "Succeeded")
        refused = bench.kubectl("logs", "hello")
        assert "certificate signed by unknown authority" in refused.stderr

        joining.approve(asked.name)
        until(lambda: is_signed(node))
        assert sans_of(shown_by(node)) == ["serves", ip]
        assert bench.logs("hello") == "Hello, world!\n"
        assert stdout_of(node)[-1] == _GOES_ON
        assert _mode(serving_certificate_of(node)) == 0o600


def test_a_later_request_has_a_name_of_its_own(joining: Joining, tmp_path: Path) -> None:
    with candidate(joining, tmp_path / "it", "later", "--node-ip", _IP) as node:
        until_joined(joining, node)
        assert sans_of(shown_by(node)) == ["later", _IP]
        node.stop()
        serving_certificate_of(node).unlink()
        node.start()
        asked = approved(joining, node, SERVING_SIGNER, times=2)
        assert re.fullmatch(r"later-tls-[0-9a-f]{5}", asked.name)
        until(lambda: is_signed(node))


# as it was done before ------------------------------------------------------------------------


def test_the_old_guide_works_as_it_is_written(
    joining: Joining, bench: Bench, guests: Guests, tmp_path: Path
) -> None:
    cluster = joining.cluster
    home = tmp_path / "home"
    port = cluster.server.rpartition(":")[2]
    joining.bootstrap_file(
        home / ".krustlet" / "config" / "bootstrap.conf", server=f"https://{_HERE}:{port}"
    )
    as_written = (
        f"krustlet-wasi --node-ip {_OF_THE_GUIDE}"
        " --bootstrap-file ~/.krustlet/config/bootstrap.conf"
    )
    name = "old-guide"
    with (
        Machine.start(tmp_path / "machine", name, networked=True) as machine,
        machine.linked(here=_HERE, there=_OF_THE_GUIDE),
    ):
        machine.run("mount", "-t", "tmpfs", "none", "/var/log")  # pods' logs belong there
        launch = Launch(
            machine=machine.enter,
            whole=("sh", "-c", f'PATH="$0:$PATH"; exec {as_written}', _commands(tmp_path / "bin")),
            environment={"KRUSTLET_ALLOW_LOCAL_MODULES": "true"},
        )
        with krustlet_node_to_be(cluster, home, name, launch=launch) as node:
            node.start_only()
            until(lambda: joining.requests(name, CLIENT_SIGNER))
            joining.approve(name)
            until(lambda: joining.requests(name, SERVING_SIGNER))
            joining.approve(f"{name}-tls")
            until(node.is_ready)
            labelled = cluster.kubectl("label", "node", name, "node-role.kubernetes.io/agent=")
            assert labelled.code == 0, labelled.stderr
            row = _row(joining, name)
            assert row[1:3] == ["Ready", "agent"]
            assert row[4].startswith("v1.")
            assert _address(node, "InternalIP") == _OF_THE_GUIDE
            assert node.object()["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 3000
            bench.apply(_a_hello(node, guests))
            bench.until_phase("hello", "Succeeded")
            until(lambda: bench.kubectl("logs", "hello").code == 0)
            assert bench.logs("hello") == "Hello, world!\n"
    joining.forget(name)


def _commands(directory: Path) -> Path:
    """Where the command of the original lies, as an installer puts it down."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["krustlet-wasi"].partition(":")
    directory.mkdir()
    command = directory / "krustlet-wasi"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )
    command.chmod(0o755)
    return directory


def _row(joining: Joining, node: str) -> list[str]:
    """What `kubectl get nodes` shows: name, status, roles, age, version."""
    told = joining.cluster.kubectl("get", "nodes", node, "--no-headers")
    assert told.code == 0, told.stderr
    return told.stdout.split()


def _a_hello(node: KrustletNode, guests: Guests) -> dict[str, Any]:
    image = f"file://{guests.path('hello')}"
    return a_pod("hello", image, by_class=False, nodeName=node.name)


def _address(node: KrustletNode, kind: str) -> str:
    addresses = node.object()["status"]["addresses"]
    return next(str(one["address"]) for one in addresses if one["type"] == kind)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
