"""The contract between the kubelet and what runs its containers."""

from krustlet.images import Image
from krustlet.provider.contract import (
    ContainerEnded,
    ContainerRequest,
    ContainerStarted,
    Executes,
    Governs,
    Identity,
    Program,
    Provider,
    Runtime,
    RuntimeEvent,
    Session,
)
from krustlet.provider.loading import ProviderContext, ProviderMissing, load_provider
from krustlet.provider.processes import ProcessRuntime

__all__ = [
    "ContainerEnded",
    "ContainerRequest",
    "ContainerStarted",
    "Executes",
    "Governs",
    "Identity",
    "Image",
    "ProcessRuntime",
    "Program",
    "Provider",
    "ProviderContext",
    "ProviderMissing",
    "Runtime",
    "RuntimeEvent",
    "Session",
    "load_provider",
]
