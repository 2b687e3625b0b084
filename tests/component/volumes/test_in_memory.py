"""Volumes that Kubernetes keeps in memory: where they are, how much they hold, how they end."""

import errno
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from krustlet.objects import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    ObjectFieldSelector,
    Pod,
    Quantity,
    SecretVolumeSource,
    Volume,
    VolumeMount,
)
from krustlet.volumes import (
    Owner,
    Volumes,
    VolumeStillMounted,
    can_mount,
    unmount_below,
)
from krustlet.volumes.mount_table import mounts_below
from tests.support.lookups import FakeLookups, a_config_map, a_secret
from tests.support.pods import a_container, a_pod

pytestmark = pytest.mark.root

NODE = {"memory": Quantity("256Mi")}
FAST = Volume(
    name="fast", empty_dir=EmptyDirVolumeSource(medium="Memory", size_limit=Quantity("64Ki"))
)
LOGIN = Volume(name="s", secret=SecretVolumeSource(secret_name="login", default_mode=0o400))
SETTINGS = Volume(name="c", config_map=ConfigMapVolumeSource(name="settings"))
ABOUT = Volume(
    name="about",
    downward_api=DownwardAPIVolumeSource(
        items=(
            DownwardAPIVolumeFile(
                path="name", field_ref=ObjectFieldSelector(field_path="metadata.name")
            ),
        )
    ),
)


def a_pod_with(*volumes: Volume, uid: str = "u", **spec: Any) -> Pod:
    mounts = tuple(VolumeMount(name=v.name, mount_path=f"/{v.name}") for v in volumes)
    return a_pod(a_container("app", volume_mounts=mounts), volumes=volumes, **spec)


def volumes_at(root: Path, *, in_memory: bool = True) -> Volumes:
    lookups = FakeLookups(
        {"settings": a_config_map("settings", a="A")}, {"login": a_secret("login", user=b"me")}
    )
    return Volumes(root, lookups=lookups, allocatable=lambda: NODE, in_memory=in_memory)


def kind_of(path: Path) -> str:
    """What the file system is called that `path` lies on."""
    holding = [m for m in mounts_below(Path("/")) if f"{path}/".startswith(f"{m.path}/")]
    return max(holding, key=lambda m: len(m.path)).source if holding else ""


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "da ta"
    path.mkdir()
    yield path
    left = mounts_below(tmp_path)
    unmount_below(tmp_path)
    assert left == []


def test_root_can_mount() -> None:
    assert can_mount()


async def test_an_empty_dir_in_memory_holds_what_it_may_and_ends_with_its_pod(root: Path) -> None:
    volumes = volumes_at(root)
    pod = a_pod_with(FAST)
    fast = (await volumes.mount(pod, owner=Owner(5001, 5002)))["fast"]

    assert kind_of(fast) == "krustlet"
    found = fast.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (5001, 5002, 0o777)
    assert os.statvfs(fast).f_blocks * os.statvfs(fast).f_frsize == 64 * 1024
    with pytest.raises(OSError, match="No space left") as full:
        (fast / "large").write_bytes(bytes(65 * 1024))
    assert full.value.errno == errno.ENOSPC

    await volumes.unmount(pod.uid)
    assert not fast.exists()
    assert mounts_below(root) == []


async def test_without_a_limit_it_holds_what_the_node_has(root: Path) -> None:
    volumes = volumes_at(root)
    pod = a_pod_with(Volume(name="v", empty_dir=EmptyDirVolumeSource(medium="Memory")))
    path = (await volumes.mount(pod))["v"]
    assert os.statvfs(path).f_blocks * os.statvfs(path).f_frsize == 256 * 1024 * 1024
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    await volumes.unmount(pod.uid)


async def test_with_an_fs_group_its_members_share_it(root: Path) -> None:
    volumes = volumes_at(root)
    pod = a_pod_with(FAST)
    fast = (await volumes.mount(pod, owner=Owner(5001, 5002, fs_group=6000)))["fast"]
    found = fast.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (5001, 6000, 0o2777)
    await volumes.unmount(pod.uid)


async def test_another_kubelet_finds_it_as_it_was_and_mounts_nothing_again(root: Path) -> None:
    pod = a_pod_with(FAST, LOGIN)
    fast = (await volumes_at(root).mount(pod))["fast"]
    (fast / "kept").write_text("kept")
    mounted = mounts_below(root)

    again = volumes_at(root)
    assert (await again.mount(pod))["fast"] == fast

    assert (fast / "kept").read_text() == "kept"
    assert mounts_below(root) == mounted
    await again.unmount(pod.uid)


async def test_a_kubelet_that_keeps_nothing_in_memory_takes_it_away_all_the_same(
    root: Path,
) -> None:
    pod = a_pod_with(FAST, LOGIN)
    await volumes_at(root).mount(pod)
    await volumes_at(root, in_memory=False).unmount(pod.uid)
    assert mounts_below(root) == []
    assert not (root / "memory").exists()


async def test_what_nobody_but_the_pod_may_know_is_on_no_disk(root: Path) -> None:
    volumes = volumes_at(root)
    pod = a_pod_with(LOGIN, ABOUT, SETTINGS)
    paths = await volumes.mount(pod, owner=Owner(5001, 5002))

    assert {name: kind_of(path) for name, path in paths.items() if kind_of(path) == "krustlet"} == {
        "s": "krustlet",
        "about": "krustlet",
    }
    assert (paths["s"] / "user").read_bytes() == b"me"
    assert stat.S_IMODE((root / "memory").stat().st_mode) == 0o700
    assert [m.path for m in mounts_below(root)] == [str(root / "memory")]

    await volumes.unmount(pod.uid)
    assert not (root / "memory").exists()


async def test_the_memory_of_one_pod_outlives_another(root: Path) -> None:
    volumes = volumes_at(root)
    one, other = a_pod_with(LOGIN, name="one"), a_pod_with(LOGIN, name="other")
    assert one.uid != other.uid
    await volumes.mount(one)
    path = (await volumes.mount(other))["s"]
    await volumes.unmount(one.uid)
    assert (path / "user").read_bytes() == b"me"
    await volumes.unmount(other.uid)


async def test_somebody_who_looks_into_it_delays_nobody(root: Path) -> None:
    volumes = volumes_at(root)
    pod = a_pod_with(LOGIN)
    await volumes.mount(pod)
    looking = os.open(root / "memory", os.O_RDONLY | os.O_DIRECTORY)
    try:
        await volumes.unmount(pod.uid)
        assert os.listdir(root / "memory") == []
        await volumes.mount(pod)
    finally:
        os.close(looking)
    await volumes.unmount(pod.uid)
    assert not (root / "memory").exists()


async def test_what_is_in_use_is_left_and_removed_when_it_is_not(root: Path) -> None:
    volumes = volumes_at(root)
    pod = a_pod_with(FAST)
    fast = (await volumes.mount(pod))["fast"]
    (fast / "file").write_text("")
    with (fast / "file").open(), pytest.raises(VolumeStillMounted):
        await volumes.unmount(pod.uid)
    assert (fast / "file").exists()
    await volumes.unmount(pod.uid)


async def test_what_pods_left_that_are_gone_is_swept(root: Path) -> None:
    gone, here = a_pod_with(FAST, LOGIN, name="gone"), a_pod_with(FAST, LOGIN, name="here")
    before = volumes_at(root)
    for pod in (gone, here):
        await before.mount(pod)

    volumes = volumes_at(root)
    await volumes.sweep(but={here.uid})

    assert not (root / "pods" / gone.uid / "volumes").exists()
    assert sorted(m.path for m in mounts_below(root)) == [
        str(root / "memory"),
        str(root / "pods" / here.uid / "volumes" / "kubernetes.io~empty-dir" / "fast"),
    ]
    assert os.listdir(root / "memory") == [here.uid]
    await volumes.sweep(but=())


async def test_a_host_path_keeps_its_owner(root: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o750)
    os.chown(theirs, 7000, 7001)
    volume = Volume(name="h", host_path=HostPathVolumeSource(path=str(theirs)))
    await volumes_at(root).mount(a_pod_with(volume), owner=Owner(5001, 5002, fs_group=6000))
    found = theirs.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (7000, 7001, 0o750)
