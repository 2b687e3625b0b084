"""What one run of a container finds besides its volumes, and what is left when it is over."""

import asyncio
import os
import platform
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from krustlet.objects import Mount, Pod
from krustlet.volumes import (
    ClusterDNS,
    Node,
    Owner,
    RunFiles,
    RunOf,
    Volumes,
    VolumeStorageFailed,
    run_files,
    unmount_below,
)
from krustlet.volumes.run_files import in_mount_order
from tests.support.pods import a_container, a_pod
from tests.support.until import until

LOG = "/dev/termination-log"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    etc = tmp_path / "node-etc"
    etc.mkdir()
    (etc / "hosts").write_text("127.0.0.1 the-node\n")
    (etc / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    return Node(etc)


@pytest.fixture
def volumes(tmp_path: Path, node: Node) -> Volumes:
    return Volumes(tmp_path / "data", node=node)


def a_run(pod: Pod | None = None, *, restart: int = 0, **given: Any) -> RunOf:
    pod = a_pod() if pod is None else pod
    return RunOf(
        pod=pod, container=pod.spec.containers[0], restart=restart, **{"has_root": True, **given}
    )


def at(mounts: tuple[Mount, ...], guest: str) -> Path:
    (found,) = (mount for mount in mounts if mount.guest == guest)
    return Path(found.host)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_run_finds_the_files_that_every_container_has(volumes: Volumes) -> None:
    files = await volumes.make_run(a_run(ips=["192.0.2.7"]))

    assert [(mount.guest, mount.read_only) for mount in files.mounts] == [
        ("/etc/hosts", False),
        ("/etc/hostname", False),
        ("/etc/resolv.conf", False),
        (LOG, False),
    ]
    assert "192.0.2.7\tweb\n" in at(files.mounts, "/etc/hosts").read_text()
    assert at(files.mounts, "/etc/hostname").read_text() == "web\n"
    assert at(files.mounts, "/etc/resolv.conf").read_text() == "nameserver 192.0.2.53\n"
    assert {mode(Path(mount.host)) for mount in files.mounts[:3]} == {0o644}
    assert files.terminating == ""
    assert files.warnings == ()


async def test_on_the_nodes_network_it_finds_the_nodes_names(volumes: Volumes) -> None:
    files = await volumes.make_run(a_run(a_pod(host_network=True)))
    assert at(files.mounts, "/etc/hostname").read_text() == f"{platform.node()}\n"
    assert at(files.mounts, "/etc/hosts").read_text() == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 the-node\n"
    )


async def test_the_clusters_name_servers_are_used_where_they_are_known(
    tmp_path: Path, node: Node
) -> None:
    in_cluster = Node(node.etc, ClusterDNS(("10.0.0.10",), "k.example"))
    files = await Volumes(tmp_path / "data", node=in_cluster).make_run(a_run())
    assert at(files.mounts, "/etc/resolv.conf").read_text() == (
        "search shop.svc.k.example svc.k.example k.example\nnameserver 10.0.0.10\noptions ndots:5\n"
    )


async def test_a_node_without_such_files_is_no_error(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path / "data", node=Node(tmp_path / "missing"))
    files = await volumes.make_run(a_run(a_pod(host_network=True)))
    assert at(files.mounts, "/etc/resolv.conf").read_text() == ""


async def test_a_container_without_a_root_gets_none_of_them(volumes: Volumes) -> None:
    own = Mount(host="/somewhere", guest="/data", read_only=False)
    files = await volumes.make_run(a_run(mounts=[own], has_root=False))
    assert files.mounts == (own,)
    assert files.root == ""


async def test_no_path_of_a_run_has_a_link_in_it(tmp_path: Path, node: Node) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    files = await Volumes(tmp_path / "link", node=node).make_run(a_run(waits=True))
    for path in (files.root, files.terminating, *(mount.host for mount in files.mounts)):
        assert os.path.realpath(path) == path


# what the container brings itself ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("mount", "hidden"),
    [
        pytest.param(("/etc/hosts", False), {"/etc/hosts"}, id="that-very-file"),
        pytest.param((LOG, False), {LOG}, id="its-own-termination-log"),
        pytest.param(
            ("/etc", True),
            {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"},
            id="a-directory-that-nothing-can-be-put-into",
        ),
        pytest.param(("/etc", False), set(), id="a-directory-that-holds-them"),
        pytest.param(("/et", True), set(), id="a-name-that-begins-the-same"),
    ],
)
async def test_what_a_container_mounts_itself_is_left_to_it(
    volumes: Volumes, mount: tuple[str, bool], hidden: set[str]
) -> None:
    guest, read_only = mount
    own = Mount(host="/somewhere", guest=guest, read_only=read_only)
    all_four = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", LOG}

    files = await volumes.make_run(a_run(mounts=[own]))

    assert {m.guest for m in files.mounts if m is not own} == all_four - hidden


def test_what_others_go_into_is_mounted_first() -> None:
    deep, top, other = (Mount("/x", guest, False) for guest in ("/a/b/c", "/", "/z"))
    assert in_mount_order([deep, other, top]) == (top, other, deep)


# last words -------------------------------------------------------------------------------------


async def test_what_a_run_wrote_last_is_read(volumes: Volumes) -> None:
    run = a_run()
    files = await volumes.make_run(run)
    log = at(files.mounts, LOG)
    assert mode(log) == 0o666
    assert await volumes.termination_message(run.pod.uid, "app", 0) == ""

    log.write_text("out of cheese\n")

    assert await volumes.termination_message(run.pod.uid, "app", 0) == "out of cheese\n"


async def test_of_many_words_the_last_4096_bytes_are_read(volumes: Volumes) -> None:
    run = a_run()
    log = at((await volumes.make_run(run)).mounts, LOG)
    log.write_bytes(b"first" + b"x" * 4090 + b"\xfflast!")
    message = await volumes.termination_message(run.pod.uid, "app", 0)
    assert message == "x" * 4090 + "\N{REPLACEMENT CHARACTER}last!"


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
async def test_only_a_file_is_read(volumes: Volumes, tmp_path: Path, kind: str) -> None:
    run = a_run()
    log = at((await volumes.make_run(run)).mounts, LOG)
    log.unlink()
    (tmp_path / "secret").write_text("secret")
    {"link": lambda: log.symlink_to(tmp_path / "secret"), "pipe": lambda: os.mkfifo(log)}.get(
        kind, log.mkdir
    )()
    if kind == "link":
        with pytest.raises(VolumeStorageFailed, match="cannot read"):
            await volumes.termination_message(run.pod.uid, "app", 0)
    else:
        assert await volumes.termination_message(run.pod.uid, "app", 0) == ""


async def test_a_run_that_never_was_left_no_words(volumes: Volumes) -> None:
    assert await volumes.termination_message("unknown", "app", 3) == ""


async def test_the_words_are_left_where_the_container_says(volumes: Volumes) -> None:
    pod = a_pod(a_container("app", termination_message_path="tmp/./words"))
    files = await volumes.make_run(a_run(pod))
    at(files.mounts, "/tmp/words").write_text("here")
    assert await volumes.termination_message(pod.uid, "app", 0) == "here"


# the word to end --------------------------------------------------------------------------------


@pytest.mark.parametrize("has_root", [True, False])
async def test_who_waits_for_a_word_sees_where_it_will_appear(
    volumes: Volumes, has_root: bool
) -> None:
    files = await volumes.make_run(a_run(waits=True, has_root=has_root))
    (mount,) = (mount for mount in files.mounts if mount.guest == "/run/krustlet")
    assert mount.read_only
    assert files.terminating == f"{mount.host}/terminating"
    assert mode(Path(mount.host)) == 0o755
    assert os.listdir(mount.host) == []


async def test_who_could_not_see_it_is_not_told_that_way(volumes: Volumes) -> None:
    own = Mount(host="/somewhere", guest="/run", read_only=True)
    files = await volumes.make_run(a_run(waits=True, mounts=[own]))
    assert files.terminating == ""
    assert "/run/krustlet" not in {mount.guest for mount in files.mounts}


# the root ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o022, 0o077])
async def test_the_root_is_one_that_programs_expect(volumes: Volumes, umask: int) -> None:
    before = os.umask(umask)
    try:
        root = Path((await volumes.make_run(a_run())).root)
    finally:
        os.umask(before)
    assert {name: oct(mode(root / name)) for name in os.listdir(root)} == {
        "tmp": "0o1777",
        "etc": "0o755",
        "dev": "0o755",
    }
    assert mode(root) == 0o755


async def test_asked_again_as_for_an_exec_it_is_the_same(volumes: Volumes) -> None:
    run = a_run(waits=True)
    files = await volumes.make_run(run)
    (Path(files.root) / "tmp" / "kept").write_text("kept")
    at(files.mounts, LOG).write_text("words")

    assert await volumes.make_run(run) == files

    assert (Path(files.root) / "tmp" / "kept").read_text() == "kept"
    assert at(files.mounts, LOG).read_text() == "words"


async def test_a_restart_begins_with_nothing_and_ends_what_was(volumes: Volumes) -> None:
    roots, told = [], []
    other = a_pod(a_container("other-app"))  # whose name ends the same
    beside = await volumes.make_run(a_run(other))
    for restart in range(3):
        files = await volumes.make_run(a_run(restart=restart, waits=True))
        (Path(files.root) / "tmp" / "file").write_text("")
        at(files.mounts, LOG).write_text(f"run {restart}")
        roots.append(Path(files.root))
        told.append(Path(files.terminating).parent)
    assert [root.exists() for root in roots] == [False, False, True]
    assert [path.exists() for path in told] == [False, False, True]
    uid = a_pod().uid
    assert [await volumes.termination_message(uid, "app", n) for n in range(3)] == [
        "",
        "run 1",
        "run 2",
    ]
    assert Path(beside.root).exists()


async def test_when_a_run_is_over_its_root_goes_and_its_words_stay(volumes: Volumes) -> None:
    run = a_run()
    files = await volumes.make_run(run)
    at(files.mounts, LOG).write_text("words")
    await volumes.remove_run(run.pod.uid, "app", 0)
    await volumes.remove_run(run.pod.uid, "app", 0)
    assert not Path(files.root).exists()
    assert await volumes.termination_message(run.pod.uid, "app", 0) == "words"


async def test_when_the_pod_goes_all_goes(volumes: Volumes, tmp_path: Path) -> None:
    run = a_run(waits=True)
    await volumes.make_run(run)
    (tmp_path / "data" / "pods" / run.pod.uid / "state").write_text("another room's")
    await volumes.unmount(run.pod.uid)
    assert os.listdir(tmp_path / "data" / "pods" / run.pod.uid) == ["state"]


async def test_containers_that_start_together_do_not_disturb_each_other(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, at_work = run_files.make, threading.Lock()

    def make_alone(*given: Any, shared: Path) -> RunFiles:
        assert at_work.acquire(blocking=False), "two at a time write the pod's files"
        try:
            time.sleep(0.001)  # long enough for the others to come
            return make(*given, shared=shared)
        finally:
            at_work.release()

    monkeypatch.setattr(run_files, "make", make_alone)
    pod = a_pod(*(a_container(f"c{n}") for n in range(20)))
    runs = [RunOf(pod=pod, container=c, restart=0, has_root=True) for c in pod.spec.containers]
    made = await asyncio.gather(*map(volumes.make_run, runs))
    assert len({files.root for files in made}) == 20
    assert {at(files.mounts, "/etc/hosts") for files in made} == {at(made[0].mounts, "/etc/hosts")}


@pytest.mark.root
async def test_files_that_all_containers_have_cost_no_disk_where_there_is_memory(
    tmp_path: Path, node: Node
) -> None:
    root = tmp_path / "data"
    volumes = Volumes(root, node=node, in_memory=True)
    run = a_run()
    try:
        files = await volumes.make_run(run)
        assert at(files.mounts, "/etc/hosts").is_relative_to(root / "memory")
        on_disk = sorted(os.listdir(root / "pods" / run.pod.uid))
        assert on_disk == ["rootfs", "termination-logs"]
        await volumes.unmount(run.pod.uid)
        assert not (root / "memory").exists()
    finally:
        unmount_below(root)


@pytest.mark.root
async def test_what_a_run_writes_to_belongs_to_whom_it_runs_as(volumes: Volumes) -> None:
    files = await volumes.make_run(a_run(owner=Owner(5001, 5002, fs_group=6000), waits=True))
    root = Path(files.root)
    for path in (root, root / "tmp", root / "etc", root / "dev", at(files.mounts, LOG)):
        assert (path.stat().st_uid, path.stat().st_gid) == (5001, 5002), path
    for path in (at(files.mounts, "/etc/hosts"), at(files.mounts, "/run/krustlet")):
        assert path.stat().st_uid == 0, path


async def test_what_is_given_up_half_way_leaves_nothing_behind(tmp_path: Path, node: Node) -> None:
    """A pod that is deleted while its container is on its way."""
    (node.etc / "hosts").unlink()
    os.mkfifo(node.etc / "hosts")  # who reads it waits until it is written
    volumes = Volumes(tmp_path / "data", node=node)
    pod = a_pod()
    making = asyncio.create_task(volumes.make_run(a_run(pod)))
    pods = tmp_path / "data" / "pods"
    await asyncio.to_thread(until, lambda: list(pods.glob("*/rootfs/*")))
    making.cancel()
    removing = asyncio.create_task(volumes.unmount(pod.uid))
    await asyncio.sleep(0.1)  # time to overtake it, if it could
    await asyncio.to_thread((node.etc / "hosts").write_text, "127.0.0.1 the-node\n")
    await asyncio.wait([making, removing], timeout=60)
    assert making.cancelled()
    await removing
    assert list(pods.iterdir()) == []
