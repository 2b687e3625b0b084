"""Read what this machine is and has, and how much of it is left. Blocks for a few file reads.

Owns the ways into `/proc`, `/sys` and `/etc`. Leaves what the figures mean to `resources.py` and
`conditions.py`.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from krustlet.node.errors import MachineUnreadable

_KIB: Final = 1024
_UNKNOWN_OS: Final = "Linux"

T = TypeVar("T")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the machine runs.

    Attributes:
        huge_pages: bytes set aside, by page size in bytes; a size without any counts 0.
        storage_bytes: the file system that pods' local storage is on.
        id: of this installation; empty where none was given.
        boot_id: another one after each boot.
    """

    cpus: int
    memory_bytes: int
    swap_bytes: int
    huge_pages: Mapping[int, int]
    storage_bytes: int
    id: str
    system_uuid: str
    boot_id: str
    kernel_version: str
    os_image: str


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What is left now.

    Attributes:
        storage_bytes: the size of the file system, of which `storage_free_bytes` are left to us.
        inodes: 0 where the file system makes them as it needs them.
        tasks: processes and threads, of which there may be no more than `tasks_max`.
    """

    memory_bytes: int
    memory_free_bytes: int
    storage_bytes: int
    storage_free_bytes: int
    inodes: int
    inodes_free: int
    tasks: int
    tasks_max: int


class Host(Protocol):
    """Tells about the machine; called in a thread."""

    def machine(self) -> Machine:
        """What it is and has.

        Raises:
            MachineUnreadable: it does not tell.
        """

    def vitals(self) -> Vitals:
        """How much of it is left now.

        Raises:
            MachineUnreadable: it does not tell.
        """


class LinuxHost:
    """The machine that this process runs on.

    Args:
        storage: a directory on the file system of pods' local storage.
        root: where `/proc`, `/sys` and `/etc` are.
    """

    def __init__(self, storage: Path, *, root: Path = Path("/")) -> None:
        self._storage = storage
        self._root = root

    def machine(self) -> Machine:
        return _told(self._machine)

    def vitals(self) -> Vitals:
        return _told(self._vitals)

    def _machine(self) -> Machine:
        memory = self._meminfo()
        machine_id = self._first("etc/machine-id", "var/lib/dbus/machine-id")
        storage = os.statvfs(self._storage)
        return Machine(
            cpus=os.cpu_count() or 1,
            memory_bytes=memory["MemTotal"],
            swap_bytes=memory.get("SwapTotal", 0),
            huge_pages=self._huge_pages(),
            storage_bytes=storage.f_blocks * storage.f_frsize,
            id=machine_id,
            system_uuid=self._first("sys/class/dmi/id/product_uuid") or machine_id,
            boot_id=self._read("proc/sys/kernel/random/boot_id"),
            kernel_version=self._read("proc/sys/kernel/osrelease"),
            os_image=self._os_image(),
        )

    def _vitals(self) -> Vitals:
        memory = self._meminfo()
        storage = os.statvfs(self._storage)
        return Vitals(
            memory_bytes=memory["MemTotal"],
            memory_free_bytes=memory["MemAvailable"],
            storage_bytes=storage.f_blocks * storage.f_frsize,
            storage_free_bytes=storage.f_bavail * storage.f_frsize,
            inodes=storage.f_files,
            inodes_free=storage.f_favail,
            # `0.43 0.25 0.37 1/92 24143`: the fourth counts those that run, and all.
            tasks=int(self._read("proc/loadavg").split()[3].partition("/")[2]),
            tasks_max=min(
                int(self._read("proc/sys/kernel/pid_max")),
                int(self._read("proc/sys/kernel/threads-max")),
            ),
        )

    def _meminfo(self) -> dict[str, int]:
        """Bytes, by the names of the kernel."""
        lines = self._read("proc/meminfo").splitlines()
        named = (line.partition(":") for line in lines)
        return {name: int(amount.split()[0]) * _KIB for name, _, amount in named}

    def _huge_pages(self) -> dict[int, int]:
        found = {}
        for folder in sorted((self._root / "sys/kernel/mm/hugepages").glob("hugepages-*kB")):
            size = int(folder.name.removeprefix("hugepages-").removesuffix("kB")) * _KIB
            found[size] = size * int((folder / "nr_hugepages").read_text())
        return found

    def _os_image(self) -> str:
        text = self._first("etc/os-release", "usr/lib/os-release")
        match = re.search(r"^PRETTY_NAME=(['\"]?)(.+)\1$", text, re.MULTILINE)
        return match[2] if match else _UNKNOWN_OS

    def _read(self, name: str) -> str:
        return (self._root / name).read_text().strip()

    def _first(self, *names: str) -> str:
        """What the first of these files says that there is, and that we may read; else nothing."""
        for name in names:
            try:
                return self._read(name)
            except (FileNotFoundError, PermissionError):
                continue  # minimal systems lack them, and some are for root alone
        return ""


def _told(read: Callable[[], T]) -> T:
    try:
        return read()
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        raise MachineUnreadable(
            f"the machine does not tell what it has: {where}{exc.strerror}",
            hint="the kubelet needs /proc and /sys, and its data directory",
        ) from exc
    except (KeyError, ValueError, IndexError) as exc:
        raise MachineUnreadable(
            f"the machine tells what it has in a way that is not understood: {exc!r}"
        ) from exc
