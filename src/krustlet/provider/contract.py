"""What a provider owes the kubelet, and what it is given.

There are two ways to be one. Most describe: `Provider.program` says which runner runs a container
and what it is given, and the kubelet keeps the process, its log, its limits and its end. Who runs
containers by other means (a remote host, another engine's daemon) implements `Runtime` instead
and keeps everything itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from krustlet.images import Image
from krustlet.objects import Mount


class ContainerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One container to be run once, with everything resolved that Kubernetes resolves.

    Attributes:
        id: this run of it; no other ever has the same.
        pod: `<namespace>/<name>` of its pod, for people.
        pod_uid: whose directories it lives in.
        container: its name in the pod.
        restart: how often it was run before; numbers its log files.
        image: on this node, and found fit by `prepare`.
        argv: `command` and `args`, with `$(VAR)` expanded; None where the image decides on
            `argv[0]`, as in `[None, "--verbose"]`.
        env: in the order of the manifest.
        mounts: host directories and where the guest finds them.
        working_dir: as in the manifest; empty for the image's own.
        log: the CRI log file that its output belongs into.
    """

    id: str
    pod: str
    pod_uid: str
    container: str
    restart: int
    image: Image
    argv: Sequence[str | None]
    env: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    working_dir: str = ""
    log: str


class Program(msgspec.Struct, frozen=True):
    """What a container's process runs.

    Attributes:
        runner: `module:attribute` of a `process.Runner`, one of `Provider.runners`.
        payload: what the runner's `load` is given. It reaches the child sealed and unread, so
            this is where secrets go.
    """

    runner: str
    payload: bytes


@runtime_checkable
class Provider(Protocol):
    """Describes how a container runs as a process of this node."""

    runners: Sequence[str]
    """All runners its programs name; the supervisor prepares them before the first fork."""

    async def prepare(self, image: Image) -> None:
        """Make `image` ready to be started: whatever takes long and can be shared.

        Raises:
            KrustletError: it cannot run here; its reason shows in the container's status.
        """

    async def program(self, request: ContainerRequest) -> Program:
        """What to run for `request`; `prepare` has succeeded for its image.

        Raises:
            KrustletError: it cannot run; its reason shows in the container's status.
        """

    async def close(self) -> None:
        """End what `prepare` may have left running."""


class ContainerStarted(msgspec.Struct, frozen=True):
    """A container runs. `at` is in Unix seconds."""

    id: str
    at: float


class ContainerEnded(msgspec.Struct, frozen=True):
    """A container's run is over.

    Attributes:
        code: the guest's own, or 128 + the signal that ended it.
        reason: `Completed`, `Error`, `OOMKilled`, `StartError`: words of the API.
        message: for the termination message; a trap's back-trace for one.
        at: Unix seconds.
    """

    id: str
    code: int
    reason: str
    message: str
    at: float


RuntimeEvent = ContainerStarted | ContainerEnded


@runtime_checkable
class Runtime(Protocol):
    """Runs containers, by whatever means; the pods' only way to do so.

    Events are told through the callback given to `open`: a start before its end, each once. Ends
    that nobody has been told of yet are told before `open` returns.
    """

    async def open(self, tell: Callable[[RuntimeEvent], None]) -> Mapping[str, ContainerStarted]:
        """Begin; returns the containers found, by id: those that run, and those that ended since
        anybody listened, whose ends are told, too."""

    async def close(self, *, stop_all: bool) -> None:
        """Leave; the containers go on unless `stop_all`."""

    def trouble(self) -> str:
        """Why no container can be run here now; empty if any can. The node tells it of itself."""

    async def prepare(self, image: Image) -> None:
        """See `Provider.prepare`."""

    async def start(self, request: ContainerRequest) -> None:
        """Run a container; its start is told as an event.

        Raises:
            KrustletError: it was not started, and nothing of it is left.
        """

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """Ask it to end, and make it end after `grace_s`; asked twice, the earlier time counts."""

    def forget(self, container_id: str) -> None:
        """Its end is noted for good; drop what is kept of it."""

    async def clean(self, pod_uid: str) -> None:
        """Drop all that is kept of a pod, whose containers have all ended."""
