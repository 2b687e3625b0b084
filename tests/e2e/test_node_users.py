"""Whom pods run as, what of their file system is theirs, and what the node refuses them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod
from tests.support.cluster import Cluster
from tests.support.containers import process_of
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.processes import status
from tests.support.walled import capabilities

pytestmark = pytest.mark.root

_FIRST_OWN: Final = 1_879_048_192  # the node's numbers for pods begin there
_NAMED_ONLY: Final = ("--register-with-taints", "only=pods-that-name-it:NoSchedule")
_ROOTS_RIGHTS: Final = 1 << 1 | 1 << 3 | 1 << 10  # DAC_OVERRIDE, FOWNER, NET_BIND_SERVICE


@pytest.fixture(scope="module")
def lenient(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KrustletNode]:
    """A node that lets pods run as root, and only takes those that name it."""
    directory = tmp_path_factory.mktemp("lenient")
    flags = ("--registry-certs-dir", certs, "--allow-root-containers", *_NAMED_ONLY)
    with krustlet_node(cluster, directory / "all", "lenient-node", *flags) as node:
        yield node


def _ids(pid: int, kind: str) -> set[int]:
    """`Uid` or `Gid`: real, effective, saved and for files; `Groups`: the supplementary ones."""
    return set(map(int, status(pid)[kind].split()))


def _mounted(name: str, at: str) -> list[dict[str, str]]:
    return [{"name": name, "mountPath": at}]


def test_a_pod_runs_as_the_user_and_the_groups_it_names(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    context = {
        "runAsUser": 12345, "runAsGroup": 2345, "fsGroup": 3456, "supplementalGroups": [4567],
        "runAsNonRoot": True,
    }  # fmt: skip
    bench.apply(
        a_pod(
            "named",
            images("sleep"),
            container={"volumeMounts": _mounted("data", "/data")},
            securityContext=context,
            volumes=[{"name": "data", "emptyDir": {}}],
        )
    )
    pod = bench.until_phase("named", "Running")
    pid = process_of(node, pod)
    assert _ids(pid, "Uid") == {12345}
    assert _ids(pid, "Gid") == {2345}
    assert _ids(pid, "Groups") == {3456, 4567}
    uid = pod["metadata"]["uid"]
    (data,) = (node.data / "pods" / uid / "volumes").glob("**/data")
    assert data.stat().st_gid == 3456


def test_a_container_goes_before_its_pod_in_whom_it_runs_as(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    own = {"securityContext": {"runAsUser": 12346, "runAsGroup": 2346}}
    bench.apply(a_pod("own", images("sleep"), container=own, securityContext={"runAsUser": 12345}))
    pid = process_of(node, bench.until_phase("own", "Running"))
    assert (_ids(pid, "Uid"), _ids(pid, "Gid")) == ({12346}, {2346})


def test_two_pods_that_ask_for_nobody_are_two_users_without_rights(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    names = ("one", "another")
    bench.apply(*[a_pod(name, images("sleep")) for name in names])
    pids = [process_of(node, bench.until_phase(name, "Running")) for name in names]
    users = [_ids(pid, "Uid") for pid in pids]
    assert users[0] != users[1]
    for pid, user in zip(pids, users, strict=True):
        assert len(user) == 1
        assert min(user) >= _FIRST_OWN
        assert _ids(pid, "Gid") == user
        assert not any(capabilities(pid).values())
        assert status(pid)["NoNewPrivs"] == "1"


def test_a_secret_that_only_its_owner_can_read_is_read(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    secret = {"secretName": "keys", "defaultMode": 0o400}
    bench.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "keys"},
            "stringData": {"door": "open"},
        },
        *[
            a_pod(
                name,
                images("cat"),
                container={"args": ["/keys/door"], "volumeMounts": _mounted("keys", "/keys")},
                volumes=[{"name": "keys", "secret": secret}],
                securityContext=context,
            )
            for name, context in (("own", {}), ("named", {"runAsUser": 12345}))
        ],
    )
    for name in ("own", "named"):
        bench.until_phase(name, "Succeeded")
        assert bench.logs(name) == "open"


def test_with_a_read_only_root_only_volumes_can_be_written(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    def writing(name: str, path: str, *, read_only: bool = True) -> dict[str, Any]:
        return {
            "name": name,
            "image": images("write"),
            "args": [path, "a line"],
            "volumeMounts": _mounted("data", "/data"),
            "securityContext": {"readOnlyRootFilesystem": read_only},
        }

    pod = a_pod("writes", images("write"), volumes=[{"name": "data", "emptyDir": {}}])
    pod["spec"]["containers"] = [
        writing("volume", "/data/note"),
        writing("root", "/note"),
        writing("temporary", "/tmp/note"),
        writing("writable", "/note", read_only=False),
    ]
    bench.apply(pod)
    ends = {
        one["name"]: one["state"]["terminated"]["exitCode"]
        for one in bench.until_phase("writes", "Failed")["status"]["containerStatuses"]
    }
    assert ends == {"volume": 0, "root": 1, "temporary": 1, "writable": 0}
    assert bench.logs("writes", "-c", "root").startswith("/note: ")


def test_a_pod_has_a_host_name_and_hosts_of_its_own(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(
        a_pod(
            "hosts",
            images("cat"),
            container={"args": ["/etc/hostname", "/etc/hosts"]},
            hostname="harbour",
            hostAliases=[{"ip": "192.0.2.7", "hostnames": ["buoy", "lighthouse"]}],
        )
    )
    pod = bench.until_phase("hosts", "Succeeded")
    name, _, hosts = bench.logs("hosts").partition("\n")
    assert name == "harbour"
    assert f"{pod['status']['podIP']}\tharbour\n" in hosts
    assert "192.0.2.7\tbuoy\tlighthouse\n" in hosts


def test_the_kernel_knows_the_pods_host_name_in_the_pod_alone(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("name", images("sleep"), hostname="harbour"))
    pid = process_of(node, bench.until_phase("name", "Running"))
    assert Path(f"/proc/{pid}/ns/uts").readlink() != Path("/proc/self/ns/uts").readlink()
    assert Path(f"/proc/{pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
    assert Path(f"/proc/{pid}/root/etc/hostname").read_text() == "harbour\n"


def test_a_container_that_wants_to_be_root_is_not_made(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("root", images("sleep"), securityContext={"runAsUser": 0}))
    said = bench.until_waiting("root", "CreateContainerConfigError")
    assert said["message"] == "runAsUser: 0 is root, which containers of this node may not be"
    assert "CreateContainerConfigError" in bench.kubectl("get", "pod", "root").stdout
    assert bench.phase("root") == "Pending"


@pytest.mark.parametrize("lenience", [False, True])
def test_a_pod_that_says_it_is_never_root_is_held_to_it_everywhere(
    request: pytest.FixtureRequest, bench: Bench, images: Images, lenience: bool
) -> None:
    node = request.getfixturevalue("lenient" if lenience else "node")
    context = {"runAsUser": 0, "runAsNonRoot": True}
    bench.apply(a_pod("liar", images("sleep"), securityContext=context, nodeName=node.name))
    said = bench.until_waiting("liar", "CreateContainerConfigError")
    assert "container's runAsUser breaks non-root policy" in said["message"]


def test_where_the_node_allows_it_root_is_root_of_files_and_of_little_else(
    lenient: KrustletNode, bench: Bench, images: Images
) -> None:
    context = {"runAsUser": 0}
    bench.apply(a_pod("root", images("sleep"), securityContext=context, nodeName=lenient.name))
    pid = process_of(lenient, bench.until_phase("root", "Running"))
    assert _ids(pid, "Uid") == {0}
    rights = capabilities(pid)
    assert (rights["Prm"], rights["Eff"]) == (_ROOTS_RIGHTS, _ROOTS_RIGHTS)
    assert rights["Bnd"] | _ROOTS_RIGHTS == _ROOTS_RIGHTS
    assert status(pid)["NoNewPrivs"] == "1"
