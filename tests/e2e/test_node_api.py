"""Who may ask the node's API, and what it keeps to itself."""

import http.client
import json
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.conftest import Images
from tests.support.authority import Authority
from tests.support.bench import Bench, a_pod
from tests.support.cluster import Cluster
from tests.support.command import Command
from tests.support.krustlet_node import KrustletNode, client_context


def _ask(
    node: KrustletNode, path: str, *, context: ssl.SSLContext, token: str = ""
) -> tuple[int, str]:
    """The status and the body."""
    parts = urlsplit(node.url(path))
    assert parts.hostname is not None
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port, context=context, timeout=10
    )
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _token(bench: Bench, account: str) -> str:
    result = bench.kubectl("create", "token", account)
    assert result.code == 0, result.stderr
    return result.stdout.strip()


def test_without_credentials_nobody_is_answered(cluster: Cluster, node: KrustletNode) -> None:
    for path in ("/pods", "/healthz", "/containerLogs/default/a/b", "/nonsense"):
        status, body = _ask(node, path, context=client_context(cluster.ca))
        assert (status, body.strip()) == (401, "Unauthorized"), path


def test_another_authority_vouches_for_nobody(
    cluster: Cluster, node: KrustletNode, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path, "other")
    identity = other.issue("admin", groups=["system:masters"])
    context = client_context(cluster.ca, certificate=(identity.certificate, identity.key))
    try:
        status, _ = _ask(node, "/pods", context=context)
    except (ssl.SSLError, ConnectionError):
        return  # refused in the handshake
    assert status == 401


def test_a_token_without_rights_is_refused_and_one_with_them_is_answered(
    cluster: Cluster, node: KrustletNode, bench: Bench
) -> None:
    context = client_context(cluster.ca)
    token = _token(bench, "default")
    status, body = _ask(node, "/pods", context=context, token=token)
    assert status == 403
    assert f"user=system:serviceaccount:{bench.namespace}:default" in body
    assert "resource=nodes" in body

    bench.kubectl("create", "serviceaccount", "reader")
    role = f"{bench.namespace}-reader"
    cluster.kubectl("create", "clusterrole", role, "--verb=get", "--resource=nodes/pods")
    cluster.kubectl(
        "create", "clusterrolebinding", role, f"--clusterrole={role}",
        f"--serviceaccount={bench.namespace}:reader",
    )  # fmt: skip
    status, body = _ask(node, "/pods", context=context, token=_token(bench, "reader"))
    assert status == 200, body
    assert json.loads(body)["kind"] == "PodList"
    status, _ = _ask(node, "/containerLogs/a/b/c", context=context, token=_token(bench, "reader"))
    assert status == 403
    assert token not in node.said()


def test_a_made_up_token_is_refused(cluster: Cluster, node: KrustletNode) -> None:
    token = "eyJhbGciOiJub25lIn0.e30.made-up"
    status, _ = _ask(node, "/pods", context=client_context(cluster.ca), token=token)
    assert status == 401
    assert token not in node.said()


def test_what_the_node_keeps_is_its_own(node: KrustletNode, bench: Bench, images: Images) -> None:
    bench.apply(a_pod("sleep", images("sleep")))
    bench.until_phase("sleep", "Running")
    assert node.data.stat().st_mode & 0o077 == 0  # so nobody else gets in at all
    for key in (node.data / "pki").iterdir():
        assert key.stat().st_mode & 0o077 == 0, key
    assert (node.data / "krustlet.sock").stat().st_mode & 0o177 == 0


def test_no_token_is_in_the_log_or_in_the_processes(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("sleep", images("sleep")))
    bench.until_phase("sleep", "Running")
    uid = bench.pod("sleep")["metadata"]["uid"]
    tokens = list((node.data / "memory" / uid).rglob("token"))
    assert tokens
    token = tokens[0].read_text()
    assert token.count(".") == 2  # a JWT
    assert token not in node.said()
    for pid in node.containers():
        assert token.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_ps_and_logs_answer_on_the_node_itself(
    node: KrustletNode, bench: Bench, images: Images, tmp_path: Path
) -> None:
    krustlet = Command(tmp_path)
    bench.apply(a_pod("hello", images("hello")))
    bench.until_phase("hello", "Succeeded")
    listed = krustlet("ps", "-n", bench.namespace, "--data-dir", node.data)
    assert listed.code == 0, listed.stderr
    assert "hello" in listed.stdout
    assert "Completed" in listed.stdout
    said = krustlet("logs", "-n", bench.namespace, "hello", "--data-dir", node.data)
    assert (said.code, said.stdout) == (0, "Hello, world!\n")
