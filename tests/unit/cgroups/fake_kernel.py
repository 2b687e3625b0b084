"""A kernel's control groups, in memory: the rules of both versions that are easily broken."""

import errno
import os
from collections.abc import Collection, Mapping
from typing import Final

from krustlet.cgroups.files import Files

_DEFAULTS: Final[Mapping[int, Mapping[str, Mapping[str, str]]]] = {
    1: {
        "memory": {
            "memory.limit_in_bytes": "9223372036854771712",
            "memory.memsw.limit_in_bytes": "9223372036854771712",
            "memory.usage_in_bytes": "0",
            "memory.use_hierarchy": "0",
            "memory.stat": "total_rss 0\ntotal_inactive_file 0\n",
        },
        "cpu": {
            "cpu.shares": "1024",
            "cpu.cfs_quota_us": "-1",
            "cpu.cfs_period_us": "100000",
        },
        "cpuacct": {"cpuacct.usage": "0"},
        "pids": {"pids.max": "max", "pids.current": "0"},
    },
    2: {
        "memory": {
            "memory.max": "max",
            "memory.swap.max": "max",
            "memory.oom.group": "0",
            "memory.current": "0",
            "memory.stat": "anon 0\ninactive_file 0\n",
        },
        "cpu": {"cpu.weight": "100", "cpu.max": "max 100000"},
        "pids": {"pids.max": "max", "pids.current": "0"},
    },
}
_UNLIMITED: Final = 9223372036854771712


class FakeGroup:
    """A directory of control groups."""

    def __init__(self, hierarchy: "Hierarchy", parent: "FakeGroup | None") -> None:
        self.hierarchy = hierarchy
        self.parent = parent
        self.handed_down: set[str] = set()
        self.pids: list[int] = []
        self.values: dict[str, str] = {}

    @property
    def controllers(self) -> Collection[str]:
        if self.hierarchy.version == 1 or self.parent is None:
            return self.hierarchy.controllers
        return self.parent.handed_down

    def value(self, name: str) -> str | None:
        """What its file `name` holds; None if it has no such file."""
        if self.hierarchy.version == 2:
            if name == "cgroup.controllers":
                return " ".join(self.controllers)
            if name == "cgroup.subtree_control":
                return " ".join(self.handed_down)
            if name == "cpu.stat":
                return self.values.get(name, "usage_usec 0\n")
        if name in ("cgroup.procs", "tasks", "cgroup.threads"):
            return "".join(f"{pid}\n" for pid in self.pids)
        if name in self.hierarchy.lacks or (self.parent is None and name != "memory.use_hierarchy"):
            return None  # the top of a hierarchy has no limits
        for controller in self.controllers:
            if (
                default := _DEFAULTS[self.hierarchy.version].get(controller, {}).get(name)
            ) is not None:
                return self.values.get(name, default)
        return None


class Hierarchy:
    """What is mounted at `directory`."""

    def __init__(
        self,
        version: int,
        directory: str,
        controllers: Collection[str],
        *,
        own: str = "/",
        root: str = "/",
        lacks: Collection[str] = (),
    ) -> None:
        self.version = version
        self.directory = directory
        self.controllers = controllers
        self.own = own  # the group of this process, from the real top
        self.root = root  # the group that is mounted
        self.lacks = lacks  # files this kernel does not have


class FakeKernel(Files):
    """Groups of several hierarchies, and how one writes to them.

    Attributes:
        refuses: directory → errno of making something in it, or writing to its files.
        refuses_text: text that is refused by any file, with its errno.
        written: (file, text), in the order of writing.
    """

    def __init__(self, *hierarchies: Hierarchy) -> None:
        self.hierarchies = hierarchies
        self.groups: dict[str, FakeGroup] = {}
        self.refuses: dict[str, int] = {}
        self.refuses_text: dict[str, int] = {}
        self.written: list[tuple[str, str]] = []
        for hierarchy in hierarchies:
            self.groups[hierarchy.directory] = FakeGroup(hierarchy, None)
            path = hierarchy.directory
            for part in filter(None, hierarchy.own.removeprefix(hierarchy.root).split("/")):
                path = self._add(path, part)
            self.groups[path].pids.append(os.getpid())

    def _add(self, parent: str, name: str) -> str:
        above = self.groups[parent]
        self.groups[f"{parent}/{name}"] = FakeGroup(above.hierarchy, above)
        return f"{parent}/{name}"

    def below(self, directory: str) -> list[str]:
        return [path for path in self.groups if path.startswith(f"{directory}/")]

    # Files ----------------------------------------------------------------------------------

    def read(self, path: str) -> str:
        if path == "/proc/self/mountinfo":
            return "".join(map(_mount_line, self.hierarchies))
        if path == "/proc/self/cgroup":
            return "".join(map(_own_line, self.hierarchies))
        directory, _, name = path.rpartition("/")
        value = self._group(directory, path).value(name)
        if value is None:
            raise _error(errno.ENOENT, path)
        return value

    def write(self, path: str, text: str) -> None:
        directory, _, name = path.rpartition("/")
        group = self._group(directory, path)
        if group.value(name) is None:
            raise _error(errno.ENOENT, path)
        for refusals, what in ((self.refuses, directory), (self.refuses_text, text)):
            if what in refusals:
                raise _error(refusals[what], path)
        if name == "cgroup.subtree_control":
            self._hand_down(group, text, path)
        elif name == "cgroup.procs":
            self._move(group, path)
        else:
            _check_swap(group, name, text, path)
            group.values[name] = text
        self.written.append((path, text))

    def make_directory(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        self._group(parent, path)
        if path in self.groups:
            raise _error(errno.EEXIST, path)
        if parent in self.refuses:
            raise _error(self.refuses[parent], path)
        self._add(parent, name)

    def remove_directory(self, path: str) -> None:
        if self._group(path, path).pids or self.below(path):
            raise _error(errno.EBUSY, path)
        if self.groups[path].parent is None:
            raise _error(errno.EPERM, path)
        del self.groups[path]

    def directories(self, path: str) -> list[str]:
        self._group(path, path)
        return [name for deep in self.below(path) if "/" not in (name := deep[len(path) + 1 :])]

    def _group(self, directory: str, path: str) -> FakeGroup:
        if directory not in self.groups:
            raise _error(errno.ENOENT, path)
        return self.groups[directory]

    def _hand_down(self, group: FakeGroup, text: str, path: str) -> None:
        assert text.startswith("+")
        if text[1:] not in group.controllers:
            raise _error(errno.ENOENT, path)
        is_real_top = group.parent is None and group.hierarchy.root == "/"
        if group.pids and not is_real_top:
            raise _error(errno.EBUSY, path)
        group.handed_down.add(text[1:])

    def _move(self, group: FakeGroup, path: str) -> None:
        if group.handed_down and group.parent is not None:
            raise _error(errno.EBUSY, path)
        for other in self.groups.values():
            if other.hierarchy is group.hierarchy and os.getpid() in other.pids:
                other.pids.remove(os.getpid())
        group.pids.append(os.getpid())


def _check_swap(group: FakeGroup, name: str, text: str, path: str) -> None:
    """Version 1: memory may not be above memory and swap together."""
    limits = {
        known: int(group.values.get(known, _UNLIMITED))
        for known in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    }
    if name in limits:
        limits[name] = int(text)
        memory, swap = (limit % (_UNLIMITED + 1) for limit in limits.values())
        if memory > swap and "memory.memsw.limit_in_bytes" not in group.hierarchy.lacks:
            raise _error(errno.EINVAL, path)


def _mount_line(hierarchy: Hierarchy) -> str:
    kind = {1: "cgroup", 2: "cgroup2"}[hierarchy.version]
    options = ",".join(["rw", *hierarchy.controllers]) if hierarchy.version == 1 else "rw"
    directory = hierarchy.directory.replace(" ", r"\040")
    return f"30 23 0:26 {hierarchy.root} {directory} rw shared:4 - {kind} {kind} {options}\n"


def _own_line(hierarchy: Hierarchy) -> str:
    controllers = ",".join(hierarchy.controllers) if hierarchy.version == 1 else ""
    return f"{1 if controllers else 0}:{controllers}:{hierarchy.own}\n"


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
