"""The containers of a node, as its kernel sees them: processes, and the control groups they are in.

Reads version 1 and version 2 alike, as far as the two can be told in the same words.
"""

from pathlib import Path
from typing import Any, Final

from tests.support.krustlet_node import KrustletNode
from tests.support.leftovers import groups_below
from tests.support.processes import GONE, status
from tests.support.until import until

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_FILTERED: Final = "2"


class Group:
    """The control group that a process is in, or one above it."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths

    @classmethod
    def of(cls, pid: int) -> "Group":
        """Its own; by controller on version 1, by the empty word on version 2."""
        lines = (_PROC / str(pid) / "cgroup").read_text().splitlines()
        paths = {}
        for _, controllers, path in (line.split(":", 2) for line in lines):
            for name in controllers.split(","):
                paths[name] = _CGROUPS / name / path.lstrip("/")
        return cls(paths)

    @property
    def above(self) -> "Group":
        return Group({name: path.parent for name, path in self._paths.items()})

    @property
    def name(self) -> str:
        """Its path below the top, in the hierarchy that limits memory."""
        return str(self._directory("memory").relative_to(_CGROUPS))

    @property
    def memory_limit_bytes(self) -> int:
        return int(self._read("memory", "memory.limit_in_bytes", "memory.max"))

    @property
    def cpu_quota_us(self) -> int:
        """Processor time in each period of a tenth of a second."""
        return int(self._read("cpu", "cpu.cfs_quota_us", "cpu.max").split()[0])

    @property
    def cpu_weight(self) -> int:
        """Its shares on version 1, its weight on version 2: more is more on both."""
        return int(self._read("cpu", "cpu.shares", "cpu.weight"))

    @property
    def times_throttled(self) -> int:
        words = self._read("cpu", "cpu.stat", "cpu.stat").split()
        return int(words[words.index("nr_throttled") + 1])

    @property
    def pids(self) -> list[int]:
        return [int(word) for word in self._read("memory", "cgroup.procs", "cgroup.procs").split()]

    def _directory(self, controller: str) -> Path:
        return self._paths[controller] if controller in self._paths else self._paths[""]

    def _read(self, controller: str, split: str, unified: str) -> str:
        file = split if controller in self._paths else unified
        return (self._directory(controller) / file).read_text()


def process_of(node: KrustletNode, pod: Any, container: str = "app", *, restart: int = 0) -> int:
    """The process of a container that runs, once it is behind its walls and in its groups."""
    mark = f"/pod{pod['metadata']['uid']}/{container}-{restart}\n"

    def found() -> list[int]:
        return [pid for pid in node.containers() if mark in _groups(pid) and _is_walled(pid)]

    pids = until(found)
    return min(pids)  # whoever visits it came later


def groups_of(pod: Any) -> list[str]:
    """The control groups that there are of a pod, in all hierarchies."""
    return [path for path in groups_below("krustlet") if pod["metadata"]["uid"] in path]


def _is_walled(pid: int) -> bool:
    """Whether the last wall stands, behind which no other can be raised."""
    try:
        return status(pid)["Seccomp"] == _FILTERED
    except GONE:
        return False  # it has ended meanwhile


def _groups(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "cgroup").read_text()
    except GONE:
        return ""  # it has ended meanwhile
