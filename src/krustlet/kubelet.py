"""Build each room once from the settings, and run all of them. No logic.

To know the project read `cli/run.py`, this, `sources/`, `pods/plan.py`, `pods/worker.py` and
`provider/contract.py`, in that order.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from krustlet.base import SystemClock, make_private_directory
from krustlet.images import LocalImages, Puller
from krustlet.pods import Checkpoints, Means, Pods, Sink
from krustlet.process import SupervisorSettings
from krustlet.provider import (
    ProcessRuntime,
    Provider,
    ProviderContext,
    Runtime,
    load_provider,
)
from krustlet.settings import Settings
from krustlet.volumes import Volumes

_SUPERVISOR: Final = "supervisor"


class Kubelet:
    """The rooms that a face may talk to."""

    def __init__(self, pods: Pods, images: Puller, runtime: Runtime) -> None:
        self.pods = pods
        self.images = images
        self.runtime = runtime


@asynccontextmanager
async def run_kubelet(settings: Settings, sink: Sink) -> AsyncIterator[Kubelet]:
    """A kubelet that runs until the block is left; an ephemeral one leaves nothing behind.

    Raises:
        ProviderMissing: there is no provider of that name.
        SupervisorUnavailable: containers cannot be kept here.
        OSError: a directory cannot be used.
    """
    root = make_private_directory(settings.root)
    runtime = _runtime(settings)
    images = Puller(LocalImages(Path.cwd()))
    means = Means(
        images=images,
        volumes=Volumes(root),
        runtime=runtime,
        checkpoints=Checkpoints(root),
        sink=sink,
        clock=SystemClock(),
        logs=settings.logs,
    )
    try:
        async with Pods(means) as pods:
            yield Kubelet(pods, images, runtime)
    finally:
        await runtime.close(stop_all=settings.ephemeral)


def _runtime(settings: Settings) -> Runtime:
    provider = load_provider(settings.provider, ProviderContext(cache=settings.cache))
    if not isinstance(provider, Provider):
        return provider
    supervisor = SupervisorSettings(
        directory=settings.root / _SUPERVISOR,
        runners=provider.runners,
        import_paths=[path for path in sys.path if path],
        scratch=settings.root if settings.ephemeral else None,
    )
    return ProcessRuntime(provider, supervisor, settings.root)
