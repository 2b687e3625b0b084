"""An API server of one node and one lease, and a machine that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from krustlet.base import Instant
from krustlet.kube import AlreadyExists, ApiError, Conflict, NotFound
from krustlet.node import (
    Deleted,
    Machine,
    MachineUnreadable,
    NodeAgent,
    NodeMeans,
    NodeSettings,
    Vitals,
)
from krustlet.objects import ContainerImage, Lease, Node, NodeCondition, ObjectMeta
from tests.support.virtual_time import LoopClock

MIB: Final = 1 << 20
GIB: Final = 1 << 30

A_MACHINE: Final = Machine(
    cpus=2,
    memory_bytes=8 * GIB,
    swap_bytes=0,
    huge_pages={},
    storage_bytes=100 * GIB,
    id="8f1c",
    system_uuid="c0ffee",
    boot_id="boot-1",
    kernel_version="6.12.0",
    os_image="Debian GNU/Linux 13 (trixie)",
)
AT_EASE: Final = Vitals(
    memory_bytes=8 * GIB,
    memory_free_bytes=4 * GIB,
    storage_bytes=100 * GIB,
    storage_free_bytes=50 * GIB,
    inodes=1_000_000,
    inodes_free=900_000,
    tasks=200,
    tasks_max=32_768,
)


def some_settings(**changes: Any) -> NodeSettings:
    settings = NodeSettings(
        name="wasm-1",
        ips=("192.0.2.7",),
        hostname="wasm-1.example",
        data_dir=Path("/data"),
        kubelet_version="v1.36.3+krustlet.2.0.0",
        container_runtime_version="wasmtime://45.0.0",
    )
    return replace(settings, **changes)


class FakeHost:
    """A machine whose figures tests set."""

    def __init__(self) -> None:
        self.now_has = A_MACHINE
        self.left = AT_EASE
        self.is_readable = True

    def machine(self) -> Machine:
        return self.now_has

    def vitals(self) -> Vitals:
        if not self.is_readable:
            raise MachineUnreadable("the machine does not tell what it has: /data: gone")
        return self.left


class WallClock:
    """The time of day. Attributes: `set_s`: how far somebody has set it forward, or back."""

    def __init__(self) -> None:
        self.set_s = 0.0

    def now(self) -> Instant:
        return Instant(LoopClock().now() + self.set_s)


class FakeEvents:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def emit(self, kind: str, reason: str, message: str) -> None:
        self.told.append((kind, reason, message))

    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self.told]


class Call(msgspec.Struct, frozen=True):
    """A request, and when it came, in seconds of the loop's time."""

    verb: str
    at: float
    body: Any = None


class Server:
    """What requests have in common: they are counted, and fail when told to.

    Attributes:
        trouble: raised by every request while it is set.
        hangs: nobody is answered.
        takes_s: how long an answer takes; what is asked for is done by then.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.trouble: ApiError | None = None
        self.hangs = False
        self.takes_s = 0.0
        self._versions = 0

    async def called(self, verb: str, body: Any = None) -> None:
        self.calls.append(Call(verb, asyncio.get_running_loop().time(), body))
        if self.hangs:
            await asyncio.sleep(3600)
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.trouble is not None:
            raise self.trouble

    def times(self, verb: str) -> list[float]:
        return [round(call.at, 3) for call in self.calls if call.verb == verb]

    def next_version(self) -> str:
        self._versions += 1
        return str(self._versions)


class FakeNodes(Server):
    """One node object, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.node: Node | None = None
        self._changes: asyncio.Queue[Node | Deleted] = asyncio.Queue()
        self._uids = 0

    async def get(self) -> Node:
        await self.called("get")
        return self._found()

    async def create(self, node: Node) -> Node:
        await self.called("create", node)
        if self.node is not None:
            raise AlreadyExists('nodes "wasm-1" already exists', status=409)
        self._uids += 1
        metadata = replace(node.metadata, uid=f"uid-{self._uids}")
        return self._put(replace(node, metadata=metadata))

    async def patch(self, patch: object) -> Node:
        await self.called("patch", patch)
        return self._put(merged(self._found(), patch))

    async def patch_status(self, patch: object) -> Node:
        await self.called("patch_status", patch)
        return self._put(merged(self._found(), patch))

    async def watch(self) -> AsyncIterator[Node | Deleted]:
        while True:
            yield await self._changes.get()

    # others -----------------------------------------------------------------------------------

    def change(self, change: Callable[[Node], Node]) -> None:
        """Somebody else changes the node."""
        self._put(change(self._found()))

    def delete(self) -> None:
        """Somebody deletes the node."""
        gone = self._found()
        self.node = None
        self._changes.put_nowait(Deleted(gone.uid))

    def set_conditions(self, status: str) -> None:
        """A controller that has not heard of the node says so in all its conditions."""
        self.change(lambda node: with_conditions(node, status))

    def condition(self, kind: str) -> NodeCondition:
        return next(one for one in self._found().status.conditions if one.type == kind)

    def _found(self) -> Node:
        if self.node is None:
            raise NotFound('nodes "wasm-1" not found', status=404)
        return self.node

    def _put(self, node: Node) -> Node:
        metadata = replace(node.metadata, resource_version=self.next_version())
        self.node = replace(node, metadata=metadata)
        self._changes.put_nowait(self.node)
        return self.node


def with_conditions(node: Node, status: str) -> Node:
    conditions = tuple(replace(one, status=status) for one in node.status.conditions)
    return replace(node, status=replace(node.status, conditions=conditions))


def merged(node: Node, patch: object) -> Node:
    """A strategic merge patch, as far as this room uses it."""
    after = msgspec.to_builtins(node)
    merge_into(after, msgspec.json.decode(msgspec.json.encode(patch)))
    return msgspec.convert(after, Node)


def merge_into(target: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if key.startswith("$setElementOrder"):
            continue
        if value is None:
            target.pop(key, None)
        elif key == "conditions":
            by_type = {one["type"]: one for one in [*target.get(key, []), *value]}
            target[key] = list(by_type.values())
        elif key == "addresses":
            assert value[-1] == {"$patch": "replace"}
            target[key] = value[:-1]
        elif isinstance(value, dict):
            merge_into(target.setdefault(key, {}), value)
        else:
            target[key] = value


class FakeLeases(Server):
    """One lease, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.lease: Lease | None = None

    async def get(self) -> Lease:
        await self.called("get")
        if self.lease is None:
            raise NotFound('leases "wasm-1" not found', status=404)
        return self.lease

    async def create(self, lease: Lease) -> Lease:
        await self.called("create", lease)
        return self._put(lease)

    async def replace(self, lease: Lease) -> Lease:
        await self.called("replace", lease)
        if self.lease is None:
            raise NotFound('leases "wasm-1" not found', status=404)
        if lease.metadata.resource_version != self.lease.metadata.resource_version:
            raise Conflict("the object has been modified", status=409)
        return self._put(lease)

    def change(self) -> None:
        """Somebody else writes the lease."""
        assert self.lease is not None
        self._put(self.lease)

    def _put(self, lease: Lease) -> Lease:
        metadata: ObjectMeta = replace(lease.metadata, resource_version=self.next_version())
        self.lease = replace(lease, metadata=metadata)
        return self.lease


class Rig:
    """A node agent with all that is around it.

    Attributes:
        luck: what every draw of lots says, from 0 to 1.
        lots: draws them; as `luck` says, if it is not replaced.
        trouble: why pods cannot run.
        resizes: whether containers can be resized.
        ips: where the machine is reached; None for the addresses of the settings.
        heard: each set of addresses that somebody was told of.
    """

    def __init__(self, **settings: Any) -> None:
        self.nodes = FakeNodes()
        self.leases = FakeLeases()
        self.host = FakeHost()
        self.events = FakeEvents()
        self.images: list[ContainerImage] = []
        self.trouble = ""
        self.resizes = False
        self.ips: tuple[str, ...] | None = None
        self.heard: list[tuple[str, ...]] = []
        self.clock = WallClock()
        self.luck = 0.5
        self.lots: Callable[[], float] = lambda: self.luck
        self.settings = some_settings(**settings)
        self.agent = self.new_agent()

    def new_agent(self) -> NodeAgent:
        means = NodeMeans(
            nodes=self.nodes,
            host=self.host,
            events=self.events,
            clock=self.clock,
            images=self._images,
            healthy=lambda: self.trouble,
            resizes=lambda: self.resizes,
            addresses=lambda: self.settings.ips if self.ips is None else self.ips,
            on_addresses=self.heard.append,
            random=lambda: self.lots(),
        )
        return NodeAgent(self.settings, means, leases=self.leases)

    async def _images(self) -> list[ContainerImage]:
        return self.images

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The agent has registered, and runs."""
        await self.agent.register()
        async with going(self.agent.run()):
            yield


@asynccontextmanager
async def going(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()
