"""Guests run as a node runs them: through its runtime, behind all walls there are, and limited.

Owns what a kubelet would make for each container: its root, the files in it, its volume. Leaves
what becomes of a container to whoever started it.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from krustlet.cgroups import Cgroups, Limits, detect
from krustlet.images import Image
from krustlet.objects import Mount
from krustlet.process import ProcessSession, SupervisorSettings
from krustlet.provider import (
    ContainerEnded,
    ContainerRequest,
    ContainerStarted,
    Identity,
    ProcessRuntime,
    ProviderContext,
    RuntimeEvent,
)
from krustlet.providers.wasi import WasiProvider
from tests.support.guests import Guests, default_cache

CACHE: Final = "cache"
"""Where native code is kept, below the node's directory."""

_FIRST_USER: Final = 1_879_100_000  # nobody of this machine
_USERS: Final = 65_536
_MIB: Final = 1 << 20
_LIMITS: Final = Limits(memory_bytes=64 * _MIB, cpu_quota_us=100_000, cpu_shares=102, pids=64)
_FILES: Final = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/termination-log")


class WasmNode:
    """A runtime of the WASI provider; each container is a pod of its own.

    Attributes:
        found: what the latest `open` found.
        top: the name of its top control group.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cgroups: str = "",
        tell: Callable[[RuntimeEvent], None] = lambda _: None,
    ) -> None:
        """Keep what it is given.

        Args:
            cgroups: the name of its top control group; without one there are no walls either.
            tell: hears of all events, before whoever waits for an end.
        """
        self.directory = directory
        self.top = cgroups
        self.provider = WasiProvider(ProviderContext(cache=directory / CACHE))
        self.cgroups: Cgroups | None = detect(cgroups) if cgroups else None
        settings = SupervisorSettings(
            directory=directory / "supervisor", runners=self.provider.runners
        )
        self.runtime = ProcessRuntime(self.provider, settings, directory, cgroups=self.cgroups)
        self.found: Mapping[str, ContainerStarted] = {}
        self._guests = Guests(default_cache())
        self._images: dict[str, Image] = {}
        self._tell = tell
        self._ends: dict[str, asyncio.Future[ContainerEnded]] = {}

    async def open(self) -> "WasmNode":
        self.found = await self.runtime.open(self._hear)
        return self

    async def close(self, *, stop_all: bool = True) -> None:
        await self.runtime.close(stop_all=stop_all)

    def image(self, guest: str) -> Image:
        """A guest module of the tests as an image of this node."""
        if guest not in self._images:
            self._images[guest] = image_of(guest, self._guests.path(guest))
        return self._images[guest]

    async def start(self, id_: str, guest: str | Image, *argv: str, **changes: Any) -> None:
        """Start a container of a guest; what it needs of files is there by then."""
        image = self.image(guest) if isinstance(guest, str) else guest
        await self.runtime.prepare(image)
        request = await asyncio.to_thread(self.request, id_, image, *argv)
        await self.runtime.start(msgspec.structs.replace(request, **changes))

    async def execute(
        self, id_: str, within: str, *argv: str, guest: str, stdin: bool = False
    ) -> ProcessSession:
        """Run one more guest in the sandbox of a container."""
        image = self.image(guest)
        await self.runtime.prepare(image)
        request = msgspec.structs.replace(self._request(within, image, *argv), id=id_)
        return await self.runtime.execute(request, within=within, stdin=stdin, tty=False)

    async def ended(self, id_: str) -> ContainerEnded:
        """How it ended, once that is told; the caller says for how long to wait."""
        return await asyncio.shield(self._end_of(id_))

    async def forget(self, id_: str) -> None:
        """Its end is noted: nothing is kept of it, as when a pod is gone."""
        self.runtime.forget(id_)
        await self.runtime.clean(id_)
        await asyncio.to_thread(self._remove, id_)
        self._ends.pop(id_, None)

    def request(self, id_: str, image: Image, *argv: str) -> ContainerRequest:
        """As a kubelet makes it; all that it names is there."""
        request = self._request(id_, image, *argv)
        if request.identity is not None:
            _make_root(Path(request.root), request)
        return request

    def pod_directory(self, id_: str) -> Path:
        return self.directory / "pods" / id_

    def log(self, id_: str) -> Path:
        return self.directory / "logs" / id_ / "0.log"

    def _request(self, id_: str, image: Image, *argv: str) -> ContainerRequest:
        walls = self._walls(id_) if self.top else {}
        return ContainerRequest(
            id=id_,
            pod=f"default/{id_}",
            pod_uid=id_,
            container="app",
            restart=0,
            image=image,
            argv=[None, *argv],
            env={"NAME": id_},
            log=str(self.log(id_)),
            **walls,
        )

    def _walls(self, id_: str) -> dict[str, Any]:
        number = int.from_bytes(hashlib.sha256(id_.encode()).digest()[:4], "big") % _USERS
        user = _FIRST_USER + number
        here = self.pod_directory(id_)
        mounts = [Mount(str(here / "files" / name), f"/{name}", False) for name in _FILES]
        return {
            "identity": Identity(user, user, (user,)),
            "root": str(here / "root"),
            "mounts": (*mounts, Mount(str(here / "volume"), "/data", False)),
            "hostname": id_,
            "network": False,
            "limits": _LIMITS,
            "pod_limits": _LIMITS,
            "qos": "Burstable",
        }

    def _end_of(self, id_: str) -> "asyncio.Future[ContainerEnded]":
        if id_ not in self._ends:
            self._ends[id_] = asyncio.get_running_loop().create_future()
        return self._ends[id_]

    def _hear(self, event: RuntimeEvent) -> None:
        self._tell(event)
        if isinstance(event, ContainerEnded) and not (end := self._end_of(event.id)).done():
            end.set_result(event)

    def _remove(self, id_: str) -> None:
        for directory in (self.pod_directory(id_), self.log(id_).parent):
            with suppress(FileNotFoundError):
                shutil.rmtree(directory)


def image_of(name: str, path: Path) -> Image:
    """A module in a file, as an image."""
    data = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Image(f"file:{name}", digest, str(path), len(data), name)


def _make_root(root: Path, request: ContainerRequest) -> None:
    """What `volumes` makes: an empty root, a few single files, a volume; all are its user's."""
    assert request.identity is not None
    root.mkdir(parents=True)
    os.chown(root, request.identity.uid, request.identity.gid)
    for mount in request.mounts:
        host = Path(mount.host)
        host.parent.mkdir(parents=True, exist_ok=True)
        if mount.guest == "/data":
            host.mkdir()
        else:
            host.touch()
        os.chown(host, request.identity.uid, request.identity.gid)
