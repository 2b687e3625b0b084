"""What pods are given: small doors to the rooms that do things, so that tests hand in others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from krustlet.base import Clock
from krustlet.images import Ensured, Keyring, PullPolicy
from krustlet.objects import Allocatable, Lookups, NoCluster, Pod, PodStatus
from krustlet.pods.checkpoint import Checkpoints
from krustlet.pods.projection import HostAddress
from krustlet.provider import Runtime


class Images(Protocol):
    """Brings images to this node."""

    async def obtain(
        self,
        reference_text: str,
        *,
        policy: PullPolicy,
        relative_to: Path,
        keyring: Keyring,
        on_pulling: Callable[[], None],
    ) -> Ensured:
        """See `krustlet.images.Puller.obtain`."""


class Volumes(Protocol):
    """Makes a pod's volumes, and takes them away; both may be asked twice."""

    async def mount(self, pod: Pod) -> Mapping[str, Path]:
        """Where each volume is, by name; all are there."""

    async def unmount(self, uid: str) -> None:
        """None of them is left."""


class PodEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something the pod's owner ought to know, as an Event of the API tells it.

    Attributes:
        kind: `Normal` or `Warning`.
        reason: one of the kubelet's own words.
        container: the one concerned; empty for the whole pod.
        hint: what to do about it; the API has no room for it, a terminal has.
    """

    reason: str
    message: str
    kind: str = "Normal"
    container: str = ""
    hint: str = ""


class Sink(Protocol):
    """Hears what becomes of pods. Must not block."""

    def publish(self, pod: Pod, status: PodStatus) -> None:
        """The status is now this; told in order, and only when it differs from the last."""

    def emit(self, pod: Pod, event: PodEvent) -> None:
        """Something worth an event happened."""

    async def until_told(self, pod: Pod) -> None:
        """Come back when what was published of the pod need not be known here any longer."""

    def gone(self, pod: Pod) -> None:
        """Nothing of the pod is left on this node."""


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What every worker of a node works with.

    Attributes:
        logs: the directory of pod logs, `/var/log/pods` on a node.
        logs_stay: whether they outlive their pods, as somebody else takes them away.
        lookups: finds what pods refer to by name.
        allocatable: what the node has for pods.
    """

    images: Images
    volumes: Volumes
    runtime: Runtime
    checkpoints: Checkpoints
    sink: Sink
    clock: Clock
    logs: Path
    logs_stay: bool = False
    lookups: Lookups = NoCluster()
    address: HostAddress = HostAddress()
    allocatable: Callable[[], Allocatable] = dict
