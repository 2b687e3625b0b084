"""What every kubelet has: pods, and the means they work with. No logic.

To know the project read `cli/run.py`, this, `sources/`, `pods/plan.py`, `pods/worker.py` and
`provider/contract.py`, in that order.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import msgspec
import structlog

from krustlet.base import SystemClock, make_private_directory
from krustlet.images import Keyring, LocalImages, Puller
from krustlet.kubelet.runtime import Powers, make_runtime
from krustlet.objects import Allocatable, Lookups, NoCluster
from krustlet.pods import Checkpoints, HostAddress, Means, Pods, Sink, UserRange, UserRules
from krustlet.provider import Runtime
from krustlet.settings import Settings
from krustlet.volumes import VolumeError, Volumes

log = structlog.get_logger(__name__)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster adds to a kubelet; without one there is nothing of it.

    Attributes:
        lookups: finds what pods refer to by name.
        address: where pods are reached.
        allocatable: what the node has for pods.
    """

    lookups: Lookups = NoCluster()
    address: HostAddress = HostAddress()
    allocatable: Callable[[], Allocatable] = dict


class Kubelet:
    """The rooms that a face may talk to, and what the machine lets them do."""

    def __init__(
        self, pods: Pods, images: Puller, runtime: Runtime, powers: Powers, volumes: Volumes
    ) -> None:
        self.pods = pods
        self.images = images
        self.runtime = runtime
        self.powers = powers
        self.volumes = volumes


@asynccontextmanager
async def run_kubelet(
    settings: Settings,
    sink: Sink,
    surroundings: Surroundings = Surroundings(),  # noqa: B008 - a frozen value
) -> AsyncIterator[Kubelet]:
    """A kubelet that runs until the block is left; an ephemeral one leaves nothing behind.

    Raises:
        ProviderMissing: there is no provider of that name.
        SupervisorUnavailable: containers cannot be kept here.
        OSError: a directory cannot be used.
    """
    root = make_private_directory(settings.root)
    runtime, powers = make_runtime(settings)
    volumes = Volumes(
        root,
        lookups=surroundings.lookups,
        allocatable=surroundings.allocatable,
        in_memory=powers.mounts_memory,
    )
    images, registries = _images(settings)
    checkpoints = Checkpoints(root)
    await _sweep(volumes, checkpoints)
    means = Means(
        images=images,
        volumes=volumes,
        runtime=runtime,
        checkpoints=checkpoints,
        sink=sink,
        clock=SystemClock(),
        logs=settings.logs,
        logs_stay=settings.ephemeral,  # whoever shows them may not have read them yet
        lookups=surroundings.lookups,
        address=surroundings.address,
        allocatable=surroundings.allocatable,
        user_rules=UserRules(root=settings.root_containers, numbers=UserRange(*settings.pod_users)),
        pod_pids_limit=settings.pod_pids_limit,
        **msgspec.structs.asdict(powers),
    )
    try:
        async with registries, Pods(means) as pods:
            yield Kubelet(pods, images, runtime, powers, volumes)
    finally:
        await runtime.close(stop_all=settings.ephemeral)


async def _sweep(volumes: Volumes, checkpoints: Checkpoints) -> None:
    """What was made for pods that nothing is known of any more is of no use to anybody."""
    try:
        await volumes.sweep(but=set(checkpoints.uids()))
    except VolumeError as exc:
        log.warning("volumes.left", error=exc.message, hint=exc.hint)


def _images(settings: Settings) -> tuple[Puller, AbstractAsyncContextManager[object]]:
    """What finds images, and what has to be entered for it."""
    local = LocalImages(Path.cwd()) if settings.allow_local_modules else None
    if settings.images is None:
        return Puller(local), nullcontext()
    # Here, as most runs on a laptop need none of it, and it takes a while to load.
    from krustlet.images import Registry, RegistrySettings, Store

    config = settings.registry_config
    keyring = Keyring.from_file(config) if config is not None else Keyring.empty()
    registry = Registry(
        RegistrySettings(
            insecure=settings.insecure_registries, certs_dir=settings.registry_certs_dir
        )
    )
    return Puller(local, store=Store(settings.images), registry=registry, keyring=keyring), registry
