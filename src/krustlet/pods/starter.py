"""Bring the containers of one pod up: the image, what it is started with, the start itself.

Owns the tries that are on. Leaves when to try, and how long to wait after a failure, to `plan`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog

from krustlet.base import KrustletError
from krustlet.images import Image, ImageError, Keyring, NoWasmInImage, PullPolicy
from krustlet.objects import ContainerCommon, Mount, Pod
from krustlet.pods.env import arguments
from krustlet.pods.env_sources import resolve_environment
from krustlet.pods.facts import CreateAbandoned, CreateFailed, Fact, ImageResolved
from krustlet.pods.naming import log_path
from krustlet.pods.outfit import Allowance, Outfitter
from krustlet.pods.ports import Means
from krustlet.pods.pulling import Pulling
from krustlet.pods.reporter import Reporter
from krustlet.pods.resizing import ResizeUnsupported
from krustlet.pods.users import Users
from krustlet.provider import ContainerRequest, Governs
from krustlet.volumes import read_only, resolve_mounts

_BUG: Final = "CreateContainerError"

log = structlog.get_logger(__name__)


class Spawn(Protocol):
    """Begins a task of the worker's; a bug in it becomes the fact that `failed` makes of it."""

    def __call__(
        self, work: Callable[[], Awaitable[None]], *, name: str, failed: Callable[[str], Fact]
    ) -> asyncio.Task[None]:
        """Begin `work` under `name`."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to run a container.

    Attributes:
        number: numbers the tries; see `ContainerState.attempt`.
        container_id: what the runtime is to know this run by.
        restart: how many runs came before.
    """

    container: ContainerCommon
    number: int
    container_id: str
    restart: int


class Starter:
    """Starts containers of one pod; each attempt ends in a fact, whatever happens."""

    def __init__(
        self,
        pod: Pod,
        means: Means,
        reporter: Reporter,
        *,
        users: Users,
        directory: Path,
        tell: Callable[[Fact], None],
        spawn: Spawn,
    ) -> None:
        """Keep what it is given.

        Args:
            users: knows which user the pod is.
            directory: where relative image references begin.
            tell: takes the facts.
        """
        self.pod = pod
        self._means = means
        self._reporter = reporter
        self._directory = directory
        self._tell = tell
        self._spawn = spawn
        self._outfitter = Outfitter(means, users)
        self._requests: dict[str, ContainerRequest] = {}  # of each container's latest attempt
        self._abandonable: dict[str, asyncio.Task[None]] = {}
        self._unfit: set[str] = set()

    async def mount(self) -> Mapping[str, Path]:
        """Where each of the pod's volumes is, by name; see `Outfitter.mount`."""
        return await self._outfitter.mount(self.pod)

    def is_unfit(self, name: str) -> bool:
        """Whether the container's image is none for this node, and that was told of."""
        return name in self._unfit

    def begin(self, attempt: Attempt, volumes: Mapping[str, Path]) -> None:
        """Try to run a container of which no other attempt is on.

        Args:
            volumes: where each of the pod's volumes is mounted, by name.
        """
        name = attempt.container.name
        task = self._spawn(
            lambda: self._run(attempt, volumes),
            name=f"pod.start:{name}",
            failed=lambda bug: self._create_failed(attempt, reason=_BUG, message=bug),
        )
        self._abandonable[name] = task
        task.add_done_callback(partial(self._on_done, attempt))

    def abandon(self, name: str) -> None:
        """Give up the attempt, unless its process is on its way already."""
        if (task := self._abandonable.get(name)) is not None:
            task.cancel()

    def _on_done(self, attempt: Attempt, task: asyncio.Task[None]) -> None:
        # Not in an `except` of the task itself: cancelled early, it never gets to run at all.
        if task.cancelled():
            name = attempt.container.name
            self._tell(CreateAbandoned(container=name, attempt=attempt.number))

    async def _run(self, attempt: Attempt, volumes: Mapping[str, Path]) -> None:
        name = attempt.container.name
        try:
            try:
                request = await self._prepare(attempt, volumes)
            finally:
                # From here on there is a process, or word of why not: nothing to abandon.
                self._abandonable.pop(name, None)
            self._requests[name] = request
            await self._start(request)
        except KrustletError as exc:
            self._warn(attempt, exc)
            self._tell(self._create_failed(attempt, reason=exc.reason, message=exc.message))

    async def _prepare(self, attempt: Attempt, volumes: Mapping[str, Path]) -> ContainerRequest:
        name = attempt.container.name
        image = await self._image(attempt.container)
        self._tell(ImageResolved(container=name, attempt=attempt.number, image_id=image.image_id))
        return await self._request(attempt, image, volumes)

    async def _image(self, container: ContainerCommon) -> Image:
        keyring = await self._keyring(container)
        with Pulling(self._reporter, container) as pulling:
            ensured = await self._means.images.obtain(
                container.image,
                policy=PullPolicy(container.image_pull_policy),
                relative_to=self._directory,
                keyring=keyring,
                on_pulling=pulling.begun,
            )
            pulling.done(ensured)
        await self._means.runtime.prepare(ensured.image)
        return ensured.image

    async def _keyring(self, container: ContainerCommon) -> Keyring:
        """What the pod brings to show to registries; a missing Secret may not be needed."""
        secrets = []
        missing = []
        for reference in self.pod.spec.image_pull_secrets:
            try:
                secret = await self._means.lookups.secret(self.pod.namespace, reference.name)
            except KrustletError as exc:
                log.debug("pod.pull_secret_missing", secret=reference.name, error=exc.message)
                missing.append(reference.name)
            else:
                secrets.append(secret)
        if missing:
            self._reporter.warn(
                "FailedToRetrieveImagePullSecret",
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed.",
                container=container.name,
            )
        return Keyring.from_secrets(secrets)

    async def _request(
        self, attempt: Attempt, image: Image, volumes: Mapping[str, Path]
    ) -> ContainerRequest:
        container = attempt.container
        env = await resolve_environment(
            self.pod,
            container,
            address=self._means.address,
            lookups=self._means.lookups,
            allocatable=self._means.allocatable(),
        )
        words = arguments(container, env)
        mounts: Sequence[Mount] = ()
        if container.volume_mounts:
            mounts = await asyncio.to_thread(
                resolve_mounts,
                container,
                volumes,
                env,
                read_only=read_only(self.pod),
                files_allowed=self._means.mounts_files,
            )
        outfit = await self._outfitter.outfit(self.pod, container, attempt.restart, mounts)
        for warning in outfit.files.warnings:
            self._reporter.warn("DNSConfigForming", warning)
        return ContainerRequest(
            id=attempt.container_id,
            pod=f"{self.pod.namespace}/{self.pod.name}",
            pod_uid=self.pod.uid,
            container=container.name,
            restart=attempt.restart,
            image=image,
            argv=[*(words.command or (None,)), *words.args],
            env=env,
            mounts=outfit.files.mounts,
            working_dir=container.working_dir,
            log=str(log_path(self._means.logs, self.pod, container.name, attempt.restart)),
            identity=outfit.identity,
            root=outfit.files.root,
            read_only_root=outfit.read_only_root,
            hostname=outfit.hostname,
            network=outfit.network,
            stdin=container.stdin,
            stdin_once=container.stdin_once,
            tty=container.tty,
            terminating=outfit.files.terminating,
            **_fields(self._outfitter.allowance(self.pod, container)),
        )

    async def request_again(
        self, attempt: Attempt, volumes: Mapping[str, Path]
    ) -> ContainerRequest:
        """What was requested for a container that runs, with what it may use now.

        Another kubelet may have begun it: then its image must be on this node still, and what its
        environment was made of may have changed.

        Raises:
            KrustletError: it cannot be made out any more.
        """
        container = attempt.container
        request = self._requests.get(container.name)
        if request is None or request.id != attempt.container_id:
            ensured = await self._means.images.obtain(
                container.image,
                policy=PullPolicy.NEVER,
                relative_to=self._directory,
                keyring=Keyring.empty(),
                on_pulling=lambda: None,
            )
            await self._means.runtime.prepare(ensured.image)
            request = await self._request(attempt, ensured.image, volumes)
            self._requests[container.name] = request
        now = next(c for c in self.pod.spec.all_containers() if c.name == container.name)
        allowance = self._outfitter.allowance(self.pod, now)
        return msgspec.structs.replace(request, **_fields(allowance))

    async def resize(self, request: ContainerRequest) -> None:
        """Let a running container use what `request` says.

        Raises:
            KrustletError: it may use what it could before.
        """
        runtime = self._means.runtime
        if not isinstance(runtime, Governs):
            raise ResizeUnsupported
        await runtime.update(request)

    def forget(self, name: str, container_id: str) -> None:
        """This run of a container is over: nobody asks for its request again."""
        if (request := self._requests.get(name)) is not None and request.id == container_id:
            del self._requests[name]

    async def _start(self, request: ContainerRequest) -> None:
        try:
            await self._means.runtime.start(request)
        except KrustletError:
            raise  # nothing of it is left
        except Exception:
            # A bug, so nobody knows. It must not run on beside the next attempt.
            self._means.runtime.stop(request.id, grace_s=0)
            raise

    def _warn(self, attempt: Attempt, exc: KrustletError) -> None:
        container = attempt.container
        if isinstance(exc, NoWasmInImage):
            if self.is_unfit(container.name):
                return  # it stays so, for as long as the pod is here
            self._unfit.add(container.name)
        if isinstance(exc, ImageError):
            message = f'Failed to pull image "{container.image}": {exc.message}'
        else:
            message = f"Error: {exc.message}"
        self._reporter.warn("Failed", message, container=container.name, hint=exc.hint)

    def _create_failed(self, attempt: Attempt, *, reason: str, message: str) -> CreateFailed:
        return CreateFailed(
            container=attempt.container.name,
            attempt=attempt.number,
            reason=reason,
            message=message,
            at=self._means.clock.now(),
        )


def _fields(allowance: Allowance) -> dict[str, Any]:
    """By the names they have in a request."""
    return msgspec.structs.asdict(allowance)
