"""What pods are given: small doors to the rooms that do things, so that tests hand in others."""

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Protocol

import msgspec

from krustlet.base import Clock
from krustlet.images import Ensured, Keyring, PullPolicy
from krustlet.objects import Allocatable, Lookups, NoCluster, Pod, PodStatus
from krustlet.pods.checkpoint import Checkpoints
from krustlet.pods.projection import HostAddress
from krustlet.pods.users import UserRules
from krustlet.provider import Runtime
from krustlet.volumes import Owner, RunFiles, RunOf


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
    """Makes a pod's files, and takes them away; all may be asked twice."""

    async def mount(self, pod: Pod, *, owner: Owner | None = None) -> Mapping[str, Path]:
        """Where each volume is, by name; all are there, and the owner's."""

    async def unmount(self, uid: str) -> None:
        """None of them is left, nor anything else that was made for the pod."""

    async def make_run(self, run: RunOf) -> RunFiles:
        """What one run of a container finds besides."""

    async def termination_message(self, uid: str, container: str, restart: int) -> str:
        """What such a run has left as its last words; empty for nothing."""


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


class Power(Enum):
    """What a node may be able to do for its pods, or not."""

    MOUNTS_FILES = "mounts_files"
    CHANGES_USERS = "runs_as_root"
    ENFORCES_LIMITS = "enforces_limits"
    MOUNTS_MEMORY = "mounts_memory"


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What every worker of a node works with.

    Attributes:
        logs: the directory of pod logs, `/var/log/pods` on a node.
        logs_stay: whether they outlive their pods, as somebody else takes them away.
        lookups: finds what pods refer to by name.
        allocatable: what the node has for pods.
        mounts_files: whether the runtime gives each container a root, a host name and mounts of
            its own, of single files, too.
        runs_as_root: whether it can have each pod's containers run as another user.
        enforces_limits: whether it keeps them within their limits of memory and processor.
        mounts_memory: whether volumes can be kept in memory.
        user_rules: whom containers may run as.
        pod_pids_limit: processes and threads that a pod may have; None for any number.
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
    mounts_files: bool = False
    runs_as_root: bool = False
    enforces_limits: bool = False
    mounts_memory: bool = False
    user_rules: UserRules = UserRules()
    pod_pids_limit: int | None = None

    @property
    def powers(self) -> frozenset[Power]:
        """What the node is able to do for its pods."""
        return frozenset(power for power in Power if getattr(self, power.value))
