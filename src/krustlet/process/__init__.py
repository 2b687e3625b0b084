"""Keep containers as processes: supervisor, child, log pump. Knows no pod, only a Launch.

The kubelet's end (`connect`, `Supervisor`) is loaded when it is first named: the supervisor's
zygote imports this package too, and each container would carry asyncio along.
"""

from typing import TYPE_CHECKING, Any

from krustlet.process.messages import End, Ended, Known, Launch, Started
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
    from krustlet.process.logfile import LogEntry, follow_log
    from krustlet.process.logread import read_log
    from krustlet.process.logtext import LogOptions
    from krustlet.process.spawn import SupervisorSettings
    from krustlet.process.walls import MISSING_WALLS

__all__ = [
    "ERROR",
    "MISSING_WALLS",
    "START_ERROR",
    "START_ERROR_CODE",
    "End",
    "Ended",
    "Known",
    "Launch",
    "LogEntry",
    "LogOptions",
    "ProcessError",
    "Record",
    "Reporter",
    "Runner",
    "StartRefused",
    "Started",
    "Supervisor",
    "SupervisorSettings",
    "SupervisorUnavailable",
    "boot_id",
    "connect",
    "follow_log",
    "read_log",
    "read_record",
]

_HOMES = {
    "LogEntry": "logfile",
    "LogOptions": "logtext",
    "MISSING_WALLS": "walls",
    "ProcessError": "errors",
    "StartRefused": "errors",
    "Supervisor": "client",
    "SupervisorSettings": "spawn",
    "SupervisorUnavailable": "errors",
    "connect": "client",
    "follow_log": "logfile",
    "read_log": "logread",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # `from krustlet.process import child` asks, too
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from krustlet.base.lazy import load_on_demand  # as late as the rest: it brings all of `base`

    return load_on_demand(__name__, _HOMES)(name)
