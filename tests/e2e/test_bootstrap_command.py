"""`krustlet bootstrap`, on a bare control plane that has granted nothing to anybody."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from krustlet.certificates import Purpose, Wanted, client_wanted, request_pem, serving_wanted
from krustlet.certificates.wanted import new_key
from krustlet.kube import Forbidden, KubeClient, NotFound, PatchKind, Unauthorized, load_kubeconfig
from krustlet.objects import (
    NODES,
    SIGNING_REQUESTS,
    CertificateSigningRequest,
    Node,
    ObjectMeta,
    SigningRequestSpec,
)
from tests.support.cluster import Cluster
from tests.support.command import KRUSTLET, Command, Result
from tests.support.controlplane import Programs
from tests.support.krustlet_node import Launch, krustlet_node_to_be
from tests.support.until import PATIENCE_S, until

ADDRESS: Final = "192.168.11.5"
SECRET: Final = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")


@pytest.fixture(scope="module")
def bare(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own: rights that are granted here stay."""
    with Cluster.start(tmp_path_factory.mktemp("bare") / "all", programs=programs) as cluster:
        yield cluster


class Admin:
    """An administrator's shell."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.cluster = cluster
        self.command = Command(directory)
        self.file = directory / "data" / "config" / "bootstrap.conf"
        self.kubeconfig = str(cluster.kubeconfig())

    def bootstrap(self, *flags: str | Path, **env: str) -> Result:
        return self.command("bootstrap", *flags, **{"KUBECONFIG": self.kubeconfig, **env})

    def waiting(self, *flags: str) -> Any:
        return self.command.start("bootstrap", *flags, KUBECONFIG=self.kubeconfig)

    def tokens(self) -> list[Any]:
        secrets = self.cluster.get("/api/v1/namespaces/kube-system/secrets")["items"]
        return [one for one in secrets if one["metadata"]["name"].startswith("bootstrap-token-")]

    def forget_tokens(self) -> None:
        for one in self.tokens():
            self.cluster.kubectl("delete", "secret", "-n", "kube-system", one["metadata"]["name"])

    def request(self, name: str) -> Any:
        return self.cluster.get(f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}")

    def conditions(self, name: str) -> list[str]:
        found = self.request(name)
        return [one["type"] for one in (found or {}).get("status", {}).get("conditions", [])]


@pytest.fixture
def admin(bare: Cluster, tmp_path: Path) -> Iterator[Admin]:
    admin = Admin(bare, tmp_path)
    yield admin
    admin.forget_tokens()
    bare.kubectl("delete", "csr,nodes", "--all")


def ask(kubeconfig: Path, wanted: Wanted, *, name: str = "") -> bytes:
    """Have the API server know what is asked for; the key it is asked for with."""
    key = new_key()
    request = CertificateSigningRequest(
        metadata=ObjectMeta(name=name or wanted.name),
        spec=SigningRequestSpec(
            request=request_pem(wanted, key), signer_name=wanted.signer, usages=wanted.usages
        ),
    )

    async def create() -> None:
        async with KubeClient(load_kubeconfig(kubeconfig)) as api:
            await api.create(SIGNING_REQUESTS, request)

    asyncio.run(create())
    return key


def serving(node: str, *ips: str) -> Wanted:
    wanted = serving_wanted(node=node, hostname=node, ips=ips)
    assert wanted is not None
    assert wanted.purpose is Purpose.SERVING
    return wanted


def register(kubeconfig: Path, name: str) -> None:
    """What a kubelet does with its first certificate: the Node is there, and ready."""
    status = {
        "addresses": [
            {"type": "InternalIP", "address": ADDRESS},
            {"type": "Hostname", "address": name},
        ],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    }

    async def create() -> None:
        async with KubeClient(load_kubeconfig(kubeconfig)) as api:
            await api.create(NODES, Node(metadata=ObjectMeta(name=name)))
            await api.patch(
                NODES, name, {"status": status}, subresource="status", kind=PatchKind.MERGE
            )

    asyncio.run(create())


def test_the_file_lets_a_machine_ask(admin: Admin, bare: Cluster) -> None:
    done = admin.bootstrap()
    assert done.code == 0, done.stderr
    assert admin.file.stat().st_mode & 0o777 == 0o600
    assert f"bootstrap file: {admin.file}" in done.stdout
    assert "krustlet join --bootstrap-file bootstrap.conf" in done.stdout
    (token,) = admin.tokens()
    assert token["metadata"]["name"].removeprefix("bootstrap-token-") in done.stdout
    assert not SECRET.search(done.stdout + done.stderr)
    ask(admin.file, client_wanted(node="asks"))
    request = admin.request("asks")
    assert request["spec"]["username"].startswith("system:bootstrap:")
    # Nothing is approved by itself: that has to be asked for.
    assert admin.conditions("asks") == []


def test_a_second_call_uses_the_file_again(admin: Admin) -> None:
    assert admin.bootstrap().code == 0
    before = admin.file.read_bytes()
    again = admin.bootstrap()
    assert again.code == 0, again.stderr
    assert "was there, and is used again" in again.stdout
    assert admin.file.read_bytes() == before
    assert len(admin.tokens()) == 1


def test_the_original_s_variables_name_the_file(admin: Admin, tmp_path: Path) -> None:
    done = admin.bootstrap(CONFIG_DIR=str(tmp_path / "of-mine"), FILE_NAME="my.conf")
    assert done.code == 0, done.stderr
    assert load_kubeconfig(tmp_path / "of-mine" / "my.conf").user_name == "tls-bootstrap-token-user"


def test_stdout_has_the_file_and_nothing_else(admin: Admin, tmp_path: Path) -> None:
    done = admin.bootstrap("--output", "-", "--server", "https://10.1.2.3:6443")
    assert done.code == 0, done.stderr
    (file := tmp_path / "piped.conf").write_text(done.stdout)
    config = load_kubeconfig(file)
    assert config.server == "https://10.1.2.3:6443"
    assert config.ca == admin.cluster.ca.read_bytes()
    assert not SECRET.search(done.stderr)


@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_no_token_is_left_where_the_file_cannot_be_shown(admin: Admin, where: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"$K bootstrap --output - {where}"],
        capture_output=True,
        text=True,
        env=admin.command.environment({"K": " ".join(KRUSTLET), "KUBECONFIG": admin.kubeconfig}),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "error: cannot write to stdout" in done.stderr
    assert "Traceback" not in done.stderr
    assert admin.tokens() == []


def test_an_address_that_leads_nowhere_else_is_told(admin: Admin) -> None:
    assert "leads each machine to itself" in admin.bootstrap().stderr
    there = admin.bootstrap("--force", "--server", "https://10.1.2.3:6443")
    assert there.code == 0
    assert "leads each machine" not in there.stderr
    other = admin.bootstrap()
    assert other.code == 1
    assert "for https://10.1.2.3:6443" in other.stderr


def test_a_machine_becomes_a_node_while_one_waits(admin: Admin, bare: Cluster) -> None:
    with admin.waiting("--wait", "wasm-1", "-o", "json", "--timeout", "30s") as process:
        until(admin.file.exists)
        ask(admin.file, client_wanted(node="wasm-1"))
        until(lambda: admin.request("wasm-1")["status"].get("certificate"))
        register(bare.node_kubeconfig("wasm-1"), "wasm-1")
        ask(bare.node_kubeconfig("wasm-1"), serving("wasm-1", ADDRESS))
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    said = json.loads(out)
    assert said["node"] == {
        "name": "wasm-1",
        "approved": ["wasm-1", "wasm-1-tls"],
        "hasServingCertificate": True,
    }
    assert said["token"]["file"] == str(admin.file)
    assert not SECRET.search(out + err)
    labels = bare.get("/api/v1/nodes/wasm-1")["metadata"]["labels"]
    assert labels["node-role.kubernetes.io/agent"] == ""
    (condition,) = admin.request("wasm-1-tls")["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("Approved", "KrustletApprove")


def test_one_terminal_waits_while_the_other_joins(
    admin: Admin, bare: Cluster, tmp_path: Path
) -> None:
    launch = Launch(
        command=(sys.executable, "-m", "krustlet", "join"),
        credentials=("--bootstrap-file", admin.file),
    )
    flags = ("--hostname", "joins")
    to_be = krustlet_node_to_be(bare, tmp_path / "node", "joins", *flags, launch=launch)
    with to_be as node, admin.waiting("--wait", "joins", "--timeout", "60s") as process:
        until(admin.file.exists)
        node.start()
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        for name in ("client request joins", "serving request joins-tls"):
            assert f"{name} approved" in out
        assert "agent" in bare.kubectl("get", "node", "joins").stdout
        until(lambda: "Issued" in bare.kubectl("get", "csr", "joins-tls").stdout)


def test_what_is_not_in_order_is_left_alone(admin: Admin, bare: Cluster) -> None:
    with admin.waiting("--wait", "wasm-2", "--timeout", "30s") as process:
        until(admin.file.exists)
        ask(admin.file, client_wanted(node="wasm-3"))  # our token, for another node
        ask(bare.node_kubeconfig("wasm-2"), client_wanted(node="wasm-2"), name="no-token")
        register(bare.node_kubeconfig("wasm-2"), "wasm-2")
        ask(bare.node_kubeconfig("wasm-2"), serving("wasm-2", ADDRESS, "10.9.9.9"))
        told = "".join(line for _, line in zip(range(3), _warnings(process), strict=False))
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "wasm-3 is left alone: it is for 'system:node:wasm-3'" in told
    assert "no-token is left alone: system:node:wasm-2 asks for it" in told
    assert "wasm-2-tls is left alone: its Node does not have 10.9.9.9" in told
    for name in ("wasm-3", "no-token", "wasm-2-tls"):
        assert admin.conditions(name) == []


def _warnings(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stderr is not None
    return (line for line in process.stderr if "left alone" in line)


def test_an_end_of_patience_tells_what_is_missing(admin: Admin) -> None:
    done = admin.bootstrap("--wait", "wasm-4", "--timeout", "1s")
    assert done.code == 1
    assert "wasm-4 has not joined within 1 s: it has not asked for a certificate" in done.stderr
    assert "--node-name wasm-4" in done.stderr


def test_a_token_that_ended_is_named(admin: Admin) -> None:
    done = admin.bootstrap("--ttl", "1s", "--wait", "wasm-4", "--timeout", "2s")
    assert done.code == 1
    assert re.search(r"has not asked for a certificate, and token \w{6} ended at", done.stderr)


def test_waiting_needs_no_new_token(admin: Admin) -> None:
    done = admin.bootstrap("--no-token", "--wait", "wasm-4", "--timeout", "1s")
    assert done.code == 1
    assert admin.tokens() == []
    assert not admin.file.exists()


def test_the_cluster_may_approve_by_itself(admin: Admin) -> None:
    done = admin.bootstrap("--auto-approve")
    assert done.code == 0, done.stderr
    assert "serving ones never are" in done.stdout
    try:
        ask(admin.file, client_wanted(node="wasm-5"))
        until(lambda: admin.request("wasm-5")["status"].get("certificate"))
    finally:
        for name in ("krustlet:node-auto-approve", "krustlet:node-auto-approve-renewal"):
            gone = admin.cluster.kubectl("delete", "clusterrolebinding", name)
            assert gone.code == 0, gone.stderr


def test_an_expired_token_lets_nobody_in(admin: Admin) -> None:
    assert admin.bootstrap("--ttl", "1s").code == 0
    old = admin.file.read_bytes()
    until(lambda: _is_refused(admin.file))
    assert admin.bootstrap().code == 0
    assert admin.file.read_bytes() != old


def _is_refused(file: Path) -> bool:
    async def look() -> None:
        async with KubeClient(load_kubeconfig(file)) as api:
            await api.get(SIGNING_REQUESTS, "none")

    try:
        asyncio.run(look())
    except Unauthorized:
        return True
    except (Forbidden, NotFound):
        return False
    raise AssertionError("there is no such request")


# what goes wrong ----------------------------------------------------------------------------------


def test_who_may_not_make_tokens_hears_of_it(admin: Admin, bare: Cluster) -> None:
    nobody = str(bare.kubeconfig("nobody", groups=["some-group"]))
    done = admin.bootstrap(KUBECONFIG=nobody)
    assert done.code == 1
    assert "this user may not" in done.stderr
    assert "an administrator's kubeconfig" in done.stderr
    assert not admin.file.exists()
    assert admin.tokens() == []


def test_who_may_not_see_requests_hears_of_it_at_once(admin: Admin, bare: Cluster) -> None:
    nobody = str(bare.kubeconfig("nobody", groups=["some-group"]))
    done = admin.bootstrap("--no-token", "--wait", "wasm-6", KUBECONFIG=nobody)
    assert done.code == 1
    assert "may not see CertificateSigningRequests" in done.stderr


def test_no_token_is_left_where_there_can_be_no_file(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    done = admin.bootstrap("--force", "--output", tmp_path / "plain" / "b.conf")
    assert done.code == 1
    assert "cannot be written" in done.stderr
    assert admin.tokens() == []


def test_a_directory_is_made_in_our_own_alone(admin: Admin, tmp_path: Path) -> None:
    done = admin.bootstrap("--output", tmp_path / "typo" / "b.conf")
    assert done.code == 1
    assert f"there is no directory {tmp_path / 'typo'}" in done.stderr
    assert not (tmp_path / "typo").exists()
    assert admin.tokens() == []
    file = admin.command.data / "more" / "b.conf"
    assert admin.bootstrap("--output", file).code == 0
    assert file.exists()


def test_an_api_server_that_is_not_there_is_told(admin: Admin, tmp_path: Path) -> None:
    file = tmp_path / "away.conf"
    file.write_text(
        Path(admin.kubeconfig).read_text().replace(admin.cluster.server, "https://127.0.0.1:1")
    )
    done = admin.bootstrap(KUBECONFIG=str(file))
    assert done.code == 1
    assert "is an API server running at https://127.0.0.1:1?" in done.stderr


def test_without_a_kubeconfig_it_says_which(admin: Admin, tmp_path: Path) -> None:
    done = admin.bootstrap(KUBECONFIG=str(tmp_path / "none"))
    assert done.code == 1
    assert "--kubeconfig" in done.stderr
    several = f"{admin.kubeconfig}{os.pathsep}{admin.kubeconfig}"
    assert "several files" in admin.bootstrap(KUBECONFIG=several).stderr
    one = f"{tmp_path / 'none'}{os.pathsep}{admin.kubeconfig}"
    assert admin.bootstrap(KUBECONFIG=one).code == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--ttl", "soon"], "soon"),
        (["--ttl", "0s"], "0s"),
        (["--ttl", "100000h"], "a year"),
        (["--server", "10.0.0.1"], "no address of an API server"),
        (["--wait", "wasm_1"], "wasm_1"),
        (["--output", "json"], "-o"),
        (["--output", "-", "-o", "json"], "stdout"),
        (["--no-token"], "nothing to do"),
        (["--timeout", "5s"], "--timeout is for --wait"),
        (["--no-token", "--force", "--wait", "a"], "--force"),
    ],
)
def test_wrong_usage_is_told_as_such(admin: Admin, flags: list[str], words: str) -> None:
    done = admin.bootstrap(*flags)
    assert done.code == 2
    assert words in done.stderr
    assert admin.tokens() == []
