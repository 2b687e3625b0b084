"""What a provider owes the kubelet, and what it is given.

There are two ways to be one. Most describe: `Provider.program` says which runner runs a container
and what it is given, and the kubelet keeps the process, its log, its limits and its end. Who runs
containers by other means (a remote host, another engine's daemon) implements `Runtime` instead
and keeps everything itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from krustlet.cgroups import Limits, Usage
from krustlet.images import Image
from krustlet.objects import Mount


class Identity(msgspec.Struct, frozen=True):
    """Whom a container runs as: numbers of the node."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


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
        identity: whom it runs as; None for whoever the node runs as.
        limits: of this container; `pod_limits` of all of its pod's together.
        qos: `Guaranteed`, `Burstable` or `BestEffort`, as Kubernetes classes the pod.
        root: a directory of the node's that becomes its `/`, empty but for where `mounts` go; empty
            where it has no file system of its own, and sees `mounts` alone.
        read_only_root: nothing but `mounts` can be written to.
        hostname: the pod's; empty for the node's.
        network: whether it may open sockets.
        stdin: whether there is something to be read there, for those who attach to write; with
            `stdin_once` it ends with the first of them. `tty`: all three are a terminal.
        terminating: a file of the node's that is made in place of SIGTERM; empty for SIGTERM.
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
    identity: Identity | None = None
    limits: Limits = Limits()
    pod_limits: Limits = Limits()
    qos: str = "BestEffort"
    root: str = ""
    read_only_root: bool = False
    hostname: str = ""
    network: bool = True
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    terminating: str = ""


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


@runtime_checkable
class Versioned(Protocol):
    """A `Provider` whose runners change with something besides their names and Krustlet's version.

    Containers are forked from what was loaded once: where this is another, that is loaded anew, and
    what runs already is left with the old until it ends.
    """

    version: str


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


# what a runtime may do besides ------------------------------------------------------------------


class Session(Protocol):
    """The streams of a process that somebody outside talks with, and its end.

    Made by `Executes`; whoever has it closes it.
    """

    async def read(self, stream: str) -> bytes:
        """The next of what it prints on `stdout` or `stderr`; empty at the end, or if it has no
        such stream: a terminal has no stderr."""

    async def write(self, data: bytes) -> None:
        """Type `data`; returns when there is room for more. Lost if nobody reads."""

    def end_input(self) -> None:
        """Nothing more will be typed."""

    def resize(self, *, columns: int, rows: int) -> None:
        """The terminal has another size; ignored without one."""

    async def wait(self) -> int:
        """Its exit code, once it has ended: the guest's own, or 128 + a signal."""

    def close(self) -> None:
        """Let go of the streams; a process that was executed for this session ends."""


@runtime_checkable
class Executes(Protocol):
    """A `Runtime` that lets people into containers."""

    async def execute(
        self, request: ContainerRequest, *, within: str, stdin: bool, tty: bool
    ) -> Session:
        """Run one more instance in the sandbox of the container `within`, which it does not
        outlive.

        Args:
            request: as that of the container, but for `id` and `argv`.

        Raises:
            KrustletError: nothing was run.
        """

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        """The streams of a running container, from now on.

        Raises:
            KrustletError: it does not run.
        """


@runtime_checkable
class Governs(Protocol):
    """A `Runtime` that knows what containers use, and can change what they may."""

    async def update(self, request: ContainerRequest) -> None:
        """Change the limits of a running container, and its pod's, to those of `request`.

        Raises:
            KrustletError: they are as they were.
        """

    def usage(self, container_id: str) -> Usage | None:
        """What a running container uses; None if that is not known."""
