"""Keep containers as processes: supervisor, child, log pump. Knows no pod, only a Launch.

The kubelet's end (`connect`, `Supervisor`) is loaded when it is first named: the supervisor's
zygote imports this package too, and each container would carry asyncio along.
"""

from typing import TYPE_CHECKING, Any

from krustlet.process.messages import End, Launch
from krustlet.process.records import Record, boot_id, read_record
from krustlet.process.runner import (
    ERROR,
    START_ERROR,
    START_ERROR_CODE,
    Reporter,
    Runner,
)

if TYPE_CHECKING:
    from krustlet.process.client import Supervisor, connect
    from krustlet.process.errors import (
        ProcessError,
        StartRefused,
        SupervisorUnavailable,
    )

__all__ = [
    "ERROR",
    "START_ERROR",
    "START_ERROR_CODE",
    "End",
    "Launch",
    "ProcessError",
    "Record",
    "Reporter",
    "Runner",
    "StartRefused",
    "Supervisor",
    "SupervisorSettings",
    "SupervisorUnavailable",
    "boot_id",
    "connect",
    "read_record",
]

_HOMES = {
    "ProcessError": "errors",
    "StartRefused": "errors",
    "Supervisor": "client",
    "SupervisorSettings": "spawn",
    "SupervisorUnavailable": "errors",
    "connect": "client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
