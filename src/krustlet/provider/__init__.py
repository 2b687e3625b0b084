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
    Versioned,
)
from krustlet.provider.loading import (
    ProviderContext,
    ProviderMissing,
    ProviderOptionInvalid,
    load_provider,
)
from krustlet.provider.processes import LogLimits, ProcessRuntime

__all__ = [
    "ContainerEnded",
    "ContainerRequest",
    "ContainerStarted",
    "Executes",
    "Governs",
    "Identity",
    "Image",
    "LogLimits",
    "ProcessRuntime",
    "Program",
    "Provider",
    "ProviderContext",
    "ProviderMissing",
    "ProviderOptionInvalid",
    "Runtime",
    "RuntimeEvent",
    "Session",
    "Versioned",
    "load_provider",
]
