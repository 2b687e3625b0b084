"""The kinds of processes that a node is made of, and which of them a process is."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from tests.support.processes import status

_COMPILER: Final = b"krustlet.wasm.compile"


class Victim(StrEnum):
    """What can be killed."""

    KUBELET = "kubelet"
    SUPERVISOR = "supervisor"
    PUMP = "pump"
    COMPILER = "compiler"
    CONTAINER = "container"
    VISITOR = "visitor"


class Killed(msgspec.Struct, frozen=True):
    """A SIGKILL that arrived; of a container or who visits one, `name` is the id."""

    victim: Victim
    name: str
    at: float


def kind_of(pid: int) -> Victim | None:
    """What a process of a node is; a child that has not got a name of its own yet is nothing.

    Containers have ids such as `c12`, who visits them such as `x12`.

    Raises:
        FileNotFoundError: it has ended.
        ProcessLookupError: likewise.
    """
    name = status(pid)["Name"]
    if name == "krustlet-superv":
        return Victim.SUPERVISOR if os.getsid(pid) == pid else None
    if name == "krustlet-logpum":
        return Victim.PUMP
    if name[1:].isdecimal():
        return {"c": Victim.CONTAINER, "x": Victim.VISITOR}.get(name[0])
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return Victim.COMPILER if _COMPILER in command else None
