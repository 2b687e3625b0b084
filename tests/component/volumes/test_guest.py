"""A real guest reads through the links of a volume that we write, and cannot write to it."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from krustlet.objects import ConfigMapVolumeSource, KeyToPath, Pod, Volume, VolumeMount
from krustlet.volumes import Volumes, read_only, resolve_mounts
from krustlet.wasm import RUNNER, AotCache, Preopen, WasmLaunch, encode_launch
from tests.support.guests import Guests
from tests.support.lookups import FakeLookups, a_config_map
from tests.support.pods import a_container, a_pod
from tests.support.supervised import Supervised, settings

ITEMS = (KeyToPath(key="a", path="top"), KeyToPath(key="b", path="deep/er/file"))


class Containers:
    """Runs guests that see what a pod's one container mounts."""

    def __init__(self, supervised: Supervised, cache: AotCache, guests: Guests) -> None:
        self._supervised = supervised
        self._cache = cache
        self._guests = guests
        self._count = 0

    async def run(self, pod: Pod, volumes: Volumes, guest: str, *argv: str) -> tuple[int, str]:
        """The exit code, and all that it printed."""
        self._count += 1
        source = self._guests.path(guest)
        digest = f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
        module = await self._cache.ensure(source, digest=digest, name=guest)
        mounts = resolve_mounts(
            pod.spec.containers[0], await volumes.mount(pod), {}, read_only=read_only(pod)
        )
        launch = WasmLaunch(
            code=str(module.code),
            argv=[guest, *argv],
            env=[],
            preopens=[Preopen(mount.host, mount.guest, mount.read_only) for mount in mounts],
        )
        id_ = f"c{self._count}"
        await self._supervised.start(RUNNER, encode_launch(launch), id_=id_)
        end = await self._supervised.end(id_)
        return end.code, self._supervised.printed(id_).decode()


@pytest.fixture
async def containers(tmp_path: Path, guests: Guests) -> AsyncIterator[Containers]:
    async with Supervised(tmp_path, settings(tmp_path, runners=(RUNNER,))) as supervised:
        yield Containers(supervised, AotCache(tmp_path / "aot"), guests)


def a_reader(*, sub_path: str = "") -> Pod:
    source = ConfigMapVolumeSource(name="settings", items=ITEMS)
    mount = VolumeMount(name="c", mount_path="/etc/app", sub_path=sub_path)
    return a_pod(
        a_container("app", volume_mounts=(mount,)), volumes=(Volume(name="c", config_map=source),)
    )


async def test_a_guest_reads_through_the_links(containers: Containers, tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="one\n", b="two\n")})
    volumes = Volumes(tmp_path, lookups=lookups)
    pod = a_reader()

    read = ("cat", "/etc/app/top", "/etc/app/deep/er/file", "/etc/app/..data/top")
    assert await containers.run(pod, volumes, *read) == (0, "one\ntwo\none\n")
    code, listed = await containers.run(pod, volumes, "ls", "/etc/app")
    assert (code, listed.splitlines()[1:]) == (0, ["..data", "deep", "top"])

    lookups.config_maps["settings"] = a_config_map("settings", a="three\n", b="four\n")
    assert await containers.run(pod, volumes, *read) == (0, "three\nfour\nthree\n")


async def test_a_guest_reads_below_a_sub_path(containers: Containers, tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="one\n", b="two\n")})
    volumes = Volumes(tmp_path, lookups=lookups)
    read = ("cat", "/etc/app/er/file")
    assert await containers.run(a_reader(sub_path="deep"), volumes, *read) == (0, "two\n")


async def test_a_guest_cannot_write_there(containers: Containers, tmp_path: Path) -> None:
    lookups = FakeLookups({"settings": a_config_map("settings", a="one\n", b="two\n")})
    volumes = Volumes(tmp_path, lookups=lookups)
    mounted = (await volumes.mount(a_reader()))["c"]
    before = sorted(os.listdir(mounted))
    for path in ("/etc/app/top", "/etc/app/new", "/etc/app/..data/new"):
        assert (await containers.run(a_reader(), volumes, "write", path, "x"))[0] == 1
    assert (mounted / "top").read_text() == "one\n"
    assert sorted(os.listdir(mounted)) == before
