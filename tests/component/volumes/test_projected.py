"""Volumes made of what a cluster knows: what is in them, when, and what is told if it cannot be."""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from krustlet.objects import (
    ConfigMapProjection,
    ConfigMapVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    KeyToPath,
    ObjectFieldSelector,
    Pod,
    PodSecurityContext,
    ProjectedVolumeSource,
    Quantity,
    ResourceFieldSelector,
    SecretProjection,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from krustlet.volumes import (
    Owner,
    SetUpFailed,
    Volumes,
    VolumeStorageFailed,
    read_only,
    resolve_mounts,
    unmount_below,
)
from tests.support.lookups import FakeLookups, a_config_map, a_secret
from tests.support.pods import a_container, a_pod
from tests.support.virtual_time import LoopClock, in_virtual_time

SETTINGS = Volume(name="c", config_map=ConfigMapVolumeSource(name="settings"))
LOGIN = Volume(name="s", secret=SecretVolumeSource(secret_name="login", default_mode=0o400))
# As the API server adds it to every pod.
ACCESS = Volume(
    name="kube-api-access-x2x4z",
    projected=ProjectedVolumeSource(
        default_mode=0o644,
        sources=(
            VolumeProjection(
                service_account_token=ServiceAccountTokenProjection(
                    path="token", expiration_seconds=3607
                )
            ),
            VolumeProjection(
                config_map=ConfigMapProjection(
                    name="kube-root-ca.crt", items=(KeyToPath(key="ca.crt", path="ca.crt"),)
                )
            ),
            VolumeProjection(
                downward_api=DownwardAPIProjection(
                    items=(
                        DownwardAPIVolumeFile(
                            path="namespace",
                            field_ref=ObjectFieldSelector(field_path="metadata.namespace"),
                        ),
                    )
                )
            ),
        ),
    ),
)
CA = {"kube-root-ca.crt": a_config_map("kube-root-ca.crt", **{"ca.crt": "CERT"})}


def a_pod_with(*volumes: Volume, **spec: Any) -> Pod:
    """Whose one container mounts all of them, each under its name."""
    mounts = tuple(VolumeMount(name=v.name, mount_path=f"/{v.name}") for v in volumes)
    return a_pod(a_container("app", volume_mounts=mounts), volumes=volumes, **spec)


def read(volume: Path) -> dict[str, str]:
    return {name: (volume / name).read_text() for name in os.listdir(volume) if name[:2] != ".."}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# contents ---------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_config_map_and_a_secret_become_files_nobody_else_can_reach(tmp_path: Path) -> None:
    lookups = FakeLookups(
        {"settings": a_config_map("settings", a="A", b=b"\0B")},
        {"login": a_secret("login", user=b"me")},
    )
    pod = a_pod_with(SETTINGS, LOGIN)

    mounted = await Volumes(tmp_path, lookups=lookups).mount(pod)

    above = tmp_path / "pods" / pod.uid / "volumes"
    assert mounted == {
        "c": above / "kubernetes.io~configmap" / "c",
        "s": above / "kubernetes.io~secret" / "s",
    }
    assert read(mounted["c"]) == {"a": "A", "b": "\0B"}
    assert read(mounted["s"]) == {"user": "me"}
    assert (mode(mounted["c"] / "a"), mode(mounted["s"] / "user")) == (0o644, 0o400)
    assert mode(above) == mode(mounted["s"].parent) == 0o700
    assert lookups.asked == ["configmap shop/settings", "secret shop/login"]


@in_virtual_time
async def test_what_every_pod_is_given_to_speak_to_the_cluster(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, lookups=FakeLookups(CA), clock=LoopClock())
    mounted = await volumes.mount(a_pod_with(ACCESS))
    access = mounted["kube-api-access-x2x4z"]
    assert read(access) == {"token": "token-1", "ca.crt": "CERT", "namespace": "shop"}
    assert {mode(access / name) for name in read(access)} == {0o644}


@in_virtual_time
async def test_a_later_source_wins_a_path(tmp_path: Path) -> None:
    lookups = FakeLookups(
        {"settings": a_config_map("settings", a="1", b="1")}, {"login": a_secret("login", b=b"2")}
    )
    both = Volume(
        name="both",
        projected=ProjectedVolumeSource(
            sources=(
                VolumeProjection(config_map=ConfigMapProjection(name="settings")),
                VolumeProjection(secret=SecretProjection(name="login")),
                VolumeProjection(),
            )
        ),
    )
    mounted = await Volumes(tmp_path, lookups=lookups).mount(a_pod_with(both))
    assert read(mounted["both"]) == {"a": "1", "b": "2"}


@in_virtual_time
async def test_a_pod_reads_of_itself_without_a_cluster(tmp_path: Path) -> None:
    downward = Volume(
        name="self",
        downward_api=DownwardAPIVolumeSource(
            items=(
                DownwardAPIVolumeFile(
                    path="deep/name", field_ref=ObjectFieldSelector(field_path="metadata.name")
                ),
                DownwardAPIVolumeFile(
                    path="cpu",
                    mode=0o600,
                    resource_field_ref=ResourceFieldSelector(
                        container_name="app", resource="limits.cpu", divisor=Quantity("1m")
                    ),
                ),
            )
        ),
    )
    volumes = Volumes(tmp_path, allocatable=lambda: {"cpu": Quantity("2")})
    mounted = (await volumes.mount(a_pod_with(downward)))["self"]
    assert (mounted / "deep" / "name").read_text() == "web"
    assert (mounted / "cpu").read_text() == "2000"
    assert mode(mounted / "cpu") == 0o600


@in_virtual_time
async def test_what_is_optional_may_be_missing(tmp_path: Path) -> None:
    optional = Volume(
        name="o",
        projected=ProjectedVolumeSource(
            sources=(
                VolumeProjection(config_map=ConfigMapProjection(name="none", optional=True)),
                VolumeProjection(secret=SecretProjection(name="none", optional=True)),
                VolumeProjection(
                    secret=SecretProjection(
                        name="login",
                        items=(KeyToPath(key="none", path="x"), KeyToPath(key="user", path="u")),
                        optional=True,
                    )
                ),
            )
        ),
    )
    lookups = FakeLookups(secrets={"login": a_secret("login", user=b"me")})
    mounted = await Volumes(tmp_path, lookups=lookups).mount(a_pod_with(optional))
    assert read(mounted["o"]) == {"u": "me"}


@in_virtual_time
async def test_what_nobody_mounts_is_not_waited_for(tmp_path: Path) -> None:
    lookups = FakeLookups()
    assert await Volumes(tmp_path, lookups=lookups).mount(a_pod(volumes=(SETTINGS,))) == {}
    assert lookups.asked == []


@in_virtual_time
async def test_mounting_again_brings_files_up_to_date(tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="old", gone="x")})
    volumes = Volumes(tmp_path, lookups=lookups)
    pod = a_pod_with(SETTINGS)
    mounted = (await volumes.mount(pod))["c"]
    lookups.config_maps["settings"] = a_config_map("settings", a="new", more="y")
    assert (await volumes.mount(pod))["c"] == mounted
    assert read(mounted) == {"a": "new", "more": "y"}


@in_virtual_time
async def test_unmounting_leaves_nothing(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, lookups=FakeLookups(CA), clock=LoopClock())
    pod = a_pod_with(ACCESS)
    await volumes.mount(pod)
    await volumes.unmount(pod.uid)
    assert not (tmp_path / "pods" / pod.uid).exists()


# failures ---------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_missing_object_is_told_in_the_kubelets_words(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path, lookups=FakeLookups())
    for volume, told in (
        (SETTINGS, 'MountVolume.SetUp failed for volume "c" : configmap "settings" not found'),
        (LOGIN, 'MountVolume.SetUp failed for volume "s" : secret "login" not found'),
    ):
        with pytest.raises(SetUpFailed) as refused:
            await volumes.mount(a_pod_with(volume))
        assert refused.value.message == told
        assert refused.value.reason == "FailedMount"
        assert refused.value.hint


@in_virtual_time
async def test_a_missing_key_is_told_in_the_kubelets_words(tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="A")})
    source = ConfigMapVolumeSource(name="settings", items=(KeyToPath(key="k", path="k"),))
    with pytest.raises(SetUpFailed) as refused:
        await Volumes(tmp_path, lookups=lookups).mount(
            a_pod_with(Volume(name="x", config_map=source))
        )
    assert refused.value.message == (
        'MountVolume.SetUp failed for volume "x" : configmap references non-existent config key: k'
    )


@in_virtual_time
async def test_all_that_a_volume_lacks_is_told_at_once(tmp_path: Path) -> None:
    lookups = FakeLookups()
    lookups.unavailable = True
    with pytest.raises(SetUpFailed) as refused:
        await Volumes(tmp_path, lookups=lookups).mount(a_pod_with(ACCESS))
    assert refused.value.message.endswith(" : the API server is away")  # each text once
    lookups.unavailable = False
    sources = tuple(VolumeProjection(secret=SecretProjection(name=name)) for name in ("a", "b"))
    with pytest.raises(SetUpFailed) as refused:
        await Volumes(tmp_path, lookups=lookups).mount(
            a_pod_with(Volume(name="v", projected=ProjectedVolumeSource(sources=sources)))
        )
    assert refused.value.message.endswith(' : [secret "a" not found, secret "b" not found]')


@in_virtual_time
async def test_one_volume_that_fails_does_not_keep_others_from_being_made(tmp_path: Path) -> None:
    lookups = FakeLookups(secrets={"login": a_secret("login", user=b"me")})
    pod = a_pod_with(SETTINGS, LOGIN)
    with pytest.raises(SetUpFailed, match='"settings" not found'):
        await Volumes(tmp_path, lookups=lookups).mount(pod)
    made = tmp_path / "pods" / pod.uid / "volumes" / "kubernetes.io~secret" / "s"
    assert read(made) == {"user": "me"}


@in_virtual_time
async def test_a_token_outlives_a_mount_that_failed(tmp_path: Path) -> None:
    lookups = FakeLookups()
    volumes = Volumes(tmp_path, lookups=lookups, clock=LoopClock())
    for _ in range(3):
        with pytest.raises(SetUpFailed):
            await volumes.mount(a_pod_with(ACCESS))
    lookups.config_maps.update(CA)
    mounted = await volumes.mount(a_pod_with(ACCESS))
    assert read(mounted["kube-api-access-x2x4z"])["token"] == "token-1"
    assert lookups.tokens == 1


@in_virtual_time
async def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="A")})
    source = ConfigMapVolumeSource(name="settings", items=(KeyToPath(key="a", path="../../x"),))
    with pytest.raises(SetUpFailed, match=r"\"x\" : invalid path: must not contain '\.\.'"):
        await Volumes(tmp_path, lookups=lookups).mount(
            a_pod_with(Volume(name="x", config_map=source))
        )


@in_virtual_time
async def test_without_a_cluster_it_is_said_that_one_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SetUpFailed, match="there is no cluster to ask") as refused:
        await Volumes(tmp_path).mount(a_pod_with(SETTINGS))
    assert "manifest" in refused.value.hint


@in_virtual_time
async def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    pod = a_pod_with(SETTINGS)
    lookups = FakeLookups({"settings": a_config_map("settings", a="A")})
    in_the_way = tmp_path / "pods" / pod.uid / "volumes" / "kubernetes.io~configmap" / "c"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    with pytest.raises(VolumeStorageFailed, match=r"'c': cannot make .*: File exists"):
        await Volumes(tmp_path, lookups=lookups).mount(pod)


@in_virtual_time
async def test_secrets_are_in_no_error_and_no_log(tmp_path: Path) -> None:
    lookups = FakeLookups(secrets={"login": a_secret("login", user=b"hidden")})
    source = SecretVolumeSource(
        secret_name="login", items=(KeyToPath(key="user", path="a"), KeyToPath(key="k", path="k"))
    )
    with capture_logs() as logs, pytest.raises(SetUpFailed) as refused:
        await Volumes(tmp_path, lookups=lookups).mount(a_pod_with(Volume(name="x", secret=source)))
    assert "hidden" not in f"{logs} {refused.value!r} {refused.value.hint}"


# mounts -----------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_sub_path_leads_through_the_links_to_what_is_there(tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="A")})
    items = (KeyToPath(key="a", path="etc/app/a"),)
    source = ConfigMapVolumeSource(name="settings", items=items)
    pod = a_pod(
        a_container(
            "app", volume_mounts=(VolumeMount(name="x", mount_path="/x", sub_path="etc/app"),)
        ),
        volumes=(Volume(name="x", config_map=source),),
    )
    mounted = await Volumes(tmp_path, lookups=lookups).mount(pod)
    (mount,) = resolve_mounts(pod.spec.containers[0], mounted, {}, read_only=read_only(pod))
    assert os.listdir(mount.host) == ["a"]
    assert (Path(mount.host) / "a").read_text() == "A"
    assert mount.read_only


# renewal ----------------------------------------------------------------------------------------


@asynccontextmanager
async def running(volumes: Volumes) -> AsyncIterator[None]:
    task = asyncio.create_task(volumes.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@in_virtual_time
async def test_a_token_is_renewed_before_it_is_worth_nothing(tmp_path: Path) -> None:
    lookups = FakeLookups(CA)
    volumes = Volumes(tmp_path, lookups=lookups, clock=LoopClock())
    async with running(volumes):
        access = (await volumes.mount(a_pod_with(ACCESS)))["kube-api-access-x2x4z"]
        before = os.readlink(access / "..data")
        await asyncio.sleep(2875)
        assert read(access)["token"] == "token-1"
        await asyncio.sleep(11)
        assert read(access) == {"token": "token-2", "ca.crt": "CERT", "namespace": "shop"}
        assert os.readlink(access / "..data") != before
        await asyncio.sleep(2886)
        assert read(access)["token"] == "token-3"


@pytest.mark.root
@pytest.mark.parametrize("in_memory", [False, True])
@in_virtual_time
async def test_a_renewed_token_belongs_to_whom_the_first_did(
    tmp_path: Path, in_memory: bool
) -> None:
    volumes = Volumes(tmp_path, lookups=FakeLookups(CA), clock=LoopClock(), in_memory=in_memory)
    pod = a_pod_with(ACCESS, security_context=PodSecurityContext(fs_group=6000))
    owner = Owner(5001, 5002, fs_group=6000)
    try:
        async with running(volumes):
            access = (await volumes.mount(pod, owner=owner))["kube-api-access-x2x4z"]
            for number in (1, 2):
                assert read(access)["token"] == f"token-{number}"
                found = (access / "token").stat()
                assert (found.st_uid, found.st_gid) == (5001, 6000)
                assert mode(access / "token") == 0o640
                await asyncio.sleep(2890)
    finally:
        unmount_below(tmp_path)


@in_virtual_time
async def test_the_old_token_stays_while_there_is_no_new_one(tmp_path: Path) -> None:
    lookups = FakeLookups(CA)
    volumes = Volumes(tmp_path, lookups=lookups, clock=LoopClock())
    with capture_logs() as logs:
        async with running(volumes):
            access = (await volumes.mount(a_pod_with(ACCESS)))["kube-api-access-x2x4z"]
            lookups.unavailable = True
            await asyncio.sleep(3300)
            assert read(access) == {"token": "token-1", "ca.crt": "CERT", "namespace": "shop"}
            lookups.unavailable = False
            await asyncio.sleep(123)
            assert read(access)["token"] == "token-2"
    assert {entry["event"] for entry in logs} == {"volume.renewal_failed"}
    assert "token-1" not in str(logs)


@in_virtual_time
async def test_a_pod_that_is_gone_asks_for_no_more_tokens(tmp_path: Path) -> None:
    lookups = FakeLookups(CA)
    volumes = Volumes(tmp_path, lookups=lookups, clock=LoopClock())
    async with running(volumes):
        pod = a_pod_with(ACCESS)
        await volumes.mount(pod)
        await volumes.unmount(pod.uid)
        await asyncio.sleep(10_000)
    assert lookups.tokens == 1


@in_virtual_time
async def test_a_renewal_under_way_makes_nothing_of_a_pod_that_is_gone(tmp_path: Path) -> None:
    lookups = FakeLookups(CA)
    volumes = Volumes(tmp_path, lookups=lookups, clock=LoopClock())
    async with running(volumes):
        pod = a_pod_with(ACCESS)
        await volumes.mount(pod)
        lookups.takes_s = 60
        await asyncio.sleep(2890)
        assert len(lookups.asked) == 4  # both questions of the renewal have no answer yet
        await volumes.unmount(pod.uid)
        await asyncio.sleep(10_000)
    assert not (tmp_path / "pods" / pod.uid).exists()
    assert len(lookups.asked) == 4
    assert remembered(volumes) == []


@pytest.mark.parametrize("fails", [False, True])
@in_virtual_time
async def test_nothing_is_remembered_of_pods_that_are_gone(tmp_path: Path, fails: bool) -> None:
    lookups = FakeLookups({} if fails else CA)
    volumes = Volumes(tmp_path, lookups=lookups, clock=LoopClock())
    for number in range(3):
        pod = a_pod_with(ACCESS, name=f"p{number}")
        with pytest.raises(SetUpFailed) if fails else contextlib.nullcontext():
            await volumes.mount(pod)
        assert remembered(volumes) != []
        await volumes.unmount(pod.uid)
    assert remembered(volumes) == []


def remembered(volumes: Volumes) -> list[object]:
    """What is kept for each pod, and would pile up."""
    return [
        *volumes._renewed,
        *volumes._writing,
        *volumes._tokens._held,
        *volumes._refresher._due,
        *volumes._refresher._failures,
        *volumes._refresher._under_way,
    ]
