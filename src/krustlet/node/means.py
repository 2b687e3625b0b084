"""What a node reports with: its ways to the API server, to people, and to the facts it tells."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec

from krustlet.base import Clock
from krustlet.node.machine import Host
from krustlet.node.ports import NodeEvents, Nodes
from krustlet.objects import ContainerImage

Addresses: TypeAlias = tuple[str, ...]


async def _none() -> Sequence[ContainerImage]:
    return ()


def _never() -> bool:
    return False


def _nobody(_: Addresses) -> None:
    return


class NodeMeans(msgspec.Struct, frozen=True, kw_only=True):
    """What a node reports with.

    Attributes:
        images: those that are here, by all their names.
        healthy: why pods cannot run here; empty if they can. Asked often, and must not block.
        resizes: whether containers can be given other resources while they run. Likewise.
        addresses: where the node is reached now; called in a thread. None: always at those of its
            settings.
        on_addresses: hears of them whenever they are others than before.
        random: evenly between 0 and 1.
    """

    nodes: Nodes
    host: Host
    events: NodeEvents
    clock: Clock
    images: Callable[[], Awaitable[Sequence[ContainerImage]]] = _none
    healthy: Callable[[], str] = str
    resizes: Callable[[], bool] = _never
    addresses: Callable[[], Addresses] | None = None
    on_addresses: Callable[[Addresses], None] = _nobody
    random: Callable[[], float] = random.random
