"""Keep containers as processes: supervisor, child, log pump. Knows no pod, only a Launch.

The kubelet's end (`connect`, `Supervisor`) is loaded when it is first named: the supervisor's
zygote imports this package too, and each container would carry asyncio along.
"""

from typing import TYPE_CHECKING, Any

from krustlet.process.messages import End, Ended, Execute, Known, Launch, Started
from krustlet.process.records import Record, boot_id, read_record
from krustlet.process.runner import (
    ERROR,
    START_ERROR,
    START_ERROR_CODE,
    Reporter,
    Runner,
)
from krustlet.process.walls import Bind, User, Walls

if TYPE_CHECKING:
    from krustlet.process.abilities import Abilities, Missing, find_abilities
    from krustlet.process.client import Supervisor, connect, earlier
    from krustlet.process.errors import (
        NotRunning,
        ProcessError,
        StartRefused,
        SupervisorUnavailable,
    )
    from krustlet.process.logfile import LogEntry, follow_log
    from krustlet.process.logfiles import has_log, remove_log
    from krustlet.process.logread import read_log
    from krustlet.process.logtext import LogOptions
    from krustlet.process.session import ProcessSession
    from krustlet.process.spawn import SupervisorSettings

__all__ = [
    "ERROR",
    "START_ERROR",
    "START_ERROR_CODE",
    "Abilities",
    "Bind",
    "End",
    "Ended",
    "Execute",
    "Known",
    "Launch",
    "LogEntry",
    "LogOptions",
    "Missing",
    "NotRunning",
    "ProcessError",
    "ProcessSession",
    "Record",
    "Reporter",
    "Runner",
    "StartRefused",
    "Started",
    "Supervisor",
    "SupervisorSettings",
    "SupervisorUnavailable",
    "User",
    "Walls",
    "boot_id",
    "connect",
    "earlier",
    "find_abilities",
    "follow_log",
    "has_log",
    "read_log",
    "read_record",
    "remove_log",
]

_HOMES = {
    "NotRunning": "errors",
    "ProcessSession": "session",
    "earlier": "client",
    "Abilities": "abilities",
    "LogEntry": "logfile",
    "LogOptions": "logtext",
    "Missing": "abilities",
    "ProcessError": "errors",
    "StartRefused": "errors",
    "Supervisor": "client",
    "SupervisorSettings": "spawn",
    "SupervisorUnavailable": "errors",
    "connect": "client",
    "find_abilities": "abilities",
    "follow_log": "logfile",
    "has_log": "logfiles",
    "read_log": "logread",
    "remove_log": "logfiles",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # `from krustlet.process import child` asks, too
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from krustlet.base.lazy import load_on_demand  # as late as the rest: it brings all of `base`

    return load_on_demand(__name__, _HOMES)(name)
