"""What a node has left on its machine goes, and nothing else."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krustlet.admin import LocalNode, NodeStillRuns, NotOurs
from krustlet.base import only_user_of
from krustlet.certificates import Purpose, Store
from krustlet.node import LinuxHost
from krustlet.objects import NodeStatus, NodeSystemInfo
from tests.support.virtual_time import in_virtual_time
from tests.unit.admin import requests as made
from tests.unit.admin.fakes import Listener
from tests.unit.admin.requests import NODE

OF_A_NODE = (
    "pods/uid-1/state",
    "images/index",
    "cache/aot/x",
    "logs/pods/a",
    "pki/kubelet.crt",
    "krustlet.sock",
    ".krustlet.sock.lock",
    "supervisor/supervisor.log",
    "config/kubeconfig",
    "config/kubeconfig.old",
    "memory/uid-1/token",
)
OF_A_PERSON = (
    "config/config.yaml",
    "config/config.json",
    "config/bootstrap.conf",
    "config/krustlet.crt",
    "config/krustlet.key",
    "config.json",
)
OF_SOMEBODY = ("runs/abc/state", "notes.txt", "config/notes.txt")


class Case:
    """A data directory."""

    def __init__(self, tmp_path: Path, *files: str) -> None:
        self.directory = tmp_path / "data"
        self.pod_logs = tmp_path / "pod-logs"
        self.directory.mkdir()
        self.voice = Listener()
        self.groups: list[Path] = []
        for file in files:
            self.make(file)
        self.local = LocalNode(
            self.directory,
            self.voice,
            pod_logs=self.pod_logs,
            remove_groups=self.groups.append,
        )

    def make(self, file: str) -> Path:
        path = self.directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        return path

    def clean(self, *, everything: bool = False) -> None:
        asyncio.run(self.local.clean(everything=everything, grace_s=0))

    def files(self) -> set[str]:
        found = (path for path in self.directory.rglob("*") if not path.is_dir())
        return {str(path.relative_to(self.directory)) for path in found}


def test_what_a_node_made_goes_and_all_else_stays(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE, *OF_A_PERSON, *OF_SOMEBODY)
    case.local.check(NODE, None)
    case.clean()
    assert case.files() == {*OF_A_PERSON, *OF_SOMEBODY}
    assert case.groups == [case.directory]
    assert "left in" in case.voice.said[-1]


def test_a_directory_that_only_a_node_used_goes(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE)
    case.clean()
    assert not case.directory.exists()


def test_all_is_what_people_wrote_too(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE, *OF_A_PERSON, *OF_SOMEBODY)
    case.clean(everything=True)
    assert case.files() == set(OF_SOMEBODY)


def test_a_directory_in_which_nothing_is_left_goes(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE, *OF_A_PERSON)
    case.clean(everything=True)
    assert not case.directory.exists()


def test_a_second_time_is_fine(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE, "config/config.yaml")
    case.clean()
    case.local.check(NODE, None)
    case.clean()
    case.clean(everything=True)
    case.clean(everything=True)
    assert case.voice.said[-1] == f"there is no {case.directory}"


def test_only_logs_of_its_own_pods_go(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE)
    ours, theirs = "default_web_uid-1", "default_web_uid-2"
    for name in (ours, theirs):
        (case.pod_logs / name / "main").mkdir(parents=True)
        (case.pod_logs / name / "main" / "0.log").write_text("x")
    case.clean()
    assert [path.name for path in case.pod_logs.iterdir()] == [theirs]


def test_no_link_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kubeconfig").mkdir(parents=True)
    precious = elsewhere / "precious"
    precious.write_text("x")
    case = Case(tmp_path, ".krustlet.sock.lock", "pods/uid-1/state")
    (case.directory / "images").symlink_to(elsewhere)
    (case.directory / "pods" / "uid-1" / "link").symlink_to(elsewhere)
    (case.directory / "config").symlink_to(elsewhere)
    case.clean(everything=True)
    assert precious.read_text() == "x"
    assert (elsewhere / "kubeconfig").is_dir()
    assert os.listdir(case.directory) == ["config"]


def test_a_directory_that_is_itself_a_link_is_cleaned(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE)
    link = tmp_path / "link"
    link.symlink_to(case.directory)
    local = LocalNode(link, case.voice, pod_logs=case.pod_logs, remove_groups=case.groups.append)
    asyncio.run(local.clean(everything=False, grace_s=0))
    assert case.files() == set()
    assert case.groups == [link]  # they are named for the directory as the node was given it


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(("pods/uid/volumes/x", "pki/kubelet-client-current.pem"), id="kubelet"),
        pytest.param(("cache/x", "logs/y", "images/z"), id="anybody"),
    ],
)
def test_a_directory_without_a_mark_of_ours_is_not_touched(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    case = Case(tmp_path, *files)
    with pytest.raises(NotOurs, match="does not look like"):
        case.local.check(NODE, None)


@pytest.mark.parametrize(
    "mark", ["pki/kubelet-client-pending.key", "config/kubeconfig", ".krustlet.sock.lock"]
)
def test_a_node_that_never_came_to_be_is_known_too(tmp_path: Path, mark: str) -> None:
    case = Case(tmp_path, mark, "pki/kubelet-client-current.pem")
    case.local.check(NODE, None)
    case.clean()
    assert case.files() == set()


def test_another_node_s_directory_is_not_touched(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE)
    keep_certificate(case.directory, "system:node:wasm-2")
    assert case.local.node() == "wasm-2"
    case.local.check("wasm-2", None)
    with pytest.raises(NotOurs, match=r"that of node wasm-2, not of wasm-1"):
        case.local.check(NODE, None)


def test_a_serving_certificate_tells_the_name_too(tmp_path: Path) -> None:
    """There is no other where the node was given a kubeconfig."""
    case = Case(tmp_path, *OF_A_NODE)
    keep_certificate(case.directory, "system:node:wasm-2", Purpose.SERVING)
    assert case.local.node() == "wasm-2"
    with pytest.raises(NotOurs, match=r"that of node wasm-2, not of wasm-1"):
        case.local.check(NODE, None)


def test_where_the_directory_does_not_say_whose_it_is_the_machine_does(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE)
    assert case.local.node() == ""
    case.local.check(NODE, of_machine(LinuxHost(tmp_path).machine().id))
    case.local.check(NODE, of_machine(""))
    with pytest.raises(NotOurs, match="another machine"):
        case.local.check(NODE, of_machine("0123456789abcdef"))


@pytest.mark.parametrize(
    "files",
    [
        pytest.param((), id="an-empty-one"),
        pytest.param(("notes.txt",), id="somebody-s"),
        pytest.param(("pki/kubelet-client-pending.key",), id="one-that-only-asked-to-be-a-node"),
    ],
)
def test_a_node_stays_whose_directory_is_another(tmp_path: Path, files: tuple[str, ...]) -> None:
    case = Case(tmp_path, *files)
    with pytest.raises(NotOurs, match=r"no node wasm-1 has run with .*data"):
        case.local.check(NODE, of_machine(LinuxHost(tmp_path).machine().id))
    case.local.check(NODE, None)  # once it is gone, there is nothing that could be the wrong one


def test_nothing_is_touched_while_a_node_runs(tmp_path: Path) -> None:
    case = Case(tmp_path, *OF_A_NODE)
    with only_user_of(case.directory):
        assert case.local.is_running()
        with pytest.raises(NodeStillRuns):
            case.clean()
        with pytest.raises(NodeStillRuns, match="after 60 s"):
            in_virtual_time(case.local.until_stopped)(within_s=60)
    assert case.files() == set(OF_A_NODE)
    assert not case.local.is_running()


def test_a_node_that_is_being_stopped_is_waited_for(tmp_path: Path) -> None:
    @in_virtual_time
    async def run() -> None:
        case = Case(tmp_path, *OF_A_NODE)
        with only_user_of(case.directory):
            wait = asyncio.create_task(case.local.until_stopped(within_s=60))
            await asyncio.sleep(30)
            assert not wait.done()
        await wait
        assert "now stop krustlet node" in case.voice.said[0]

    run()


# helpers ------------------------------------------------------------------------------------------


def of_machine(machine_id: str) -> Any:
    info = NodeSystemInfo(
        machine_id=machine_id,
        system_uuid="",
        boot_id="",
        kernel_version="",
        os_image="",
        container_runtime_version="",
        kubelet_version="",
        kube_proxy_version="",
        operating_system="linux",
        architecture="",
    )
    return msgspec.structs.replace(made.node(), status=NodeStatus(node_info=info))


def keep_certificate(directory: Path, user: str, purpose: Purpose = Purpose.CLIENT) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    store = Store(directory / "pki")
    store.keep(purpose, certificate.public_bytes(Encoding.PEM), private)
    assert stat.S_IMODE(store.path(purpose).stat().st_mode) == 0o600
