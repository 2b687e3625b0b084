"""Version 2 of control groups: one hierarchy, whose controllers are handed down group by group.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, and how
github.com/opencontainers/cgroups v0.0.6, `fs2`, writes it on behalf of Kubernetes 1.36.
"""

import errno
import math
import os
from collections.abc import Iterator, Mapping
from typing import Final

from krustlet.cgroups.errors import CgroupsUnavailable
from krustlet.cgroups.files import Files
from krustlet.cgroups.limits import Limits, Usage
from krustlet.cgroups.mounts import Mount
from krustlet.cgroups.version import LIMITING, Setting, below, make_directories, read_numbers

_CONTROLLERS: Final = "cgroup.controllers"
_HANDED_DOWN: Final = "cgroup.subtree_control"
_PROCESSES: Final = "cgroup.procs"
_ITSELF: Final = "krustlet-itself"  # where this process moves to, out of the way
_WEIGHT: Final = 100  # the kernel's default
_LEAST_SHARES: Final = 2
_MOST_SHARES: Final = 262_144


class Unified:
    """A `Version`."""

    number = 2
    procs_file = _PROCESSES
    threads_file = "cgroup.threads"
    oom_file = "memory.events"
    memory_limit_file = "memory.max"
    memory_usage_file = "memory.current"

    def __init__(self, files: Files, top: str, controllers: tuple[str, ...]) -> None:
        self._files = files
        self._top = top
        self.tops: Mapping[str, str] = dict.fromkeys(controllers, top)
        self.missing = tuple(name for name in LIMITING if name not in controllers)

    def make(self, path: str) -> bool:
        """See `Version`. Groups above another hand controllers down, and can have no processes."""
        is_new = make_directories(self._files, self._top, path)
        parts = path.split("/")
        for depth in range(len(parts)):
            _hand_down(self._files, below(self._top, "/".join(parts[:depth])), tuple(self.tops))
        return is_new

    def settings(
        self,
        limits: Limits,
        *,
        ends_whole: bool,
        is_new: bool,
        raises_memory: bool,
    ) -> Iterator[Setting]:
        """See `Version`."""
        if is_new:
            # Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container_linux.go,
            # ConfigureNoSwap.
            yield Setting("memory", "memory.swap.max", "0", optional=True)
        if ends_whole:
            yield Setting("memory", "memory.oom.group", "1", optional=True)  # since Linux 4.19
        if limits.memory_bytes is not None or not is_new:
            yield Setting("memory", self.memory_limit_file, _or_max(limits.memory_bytes))
        if limits.cpu_shares is not None or not is_new:
            yield Setting("cpu", "cpu.weight", str(weight(limits.cpu_shares)))
        if limits.cpu_quota_us is not None or not is_new:
            quota = f"{_or_max(limits.cpu_quota_us)} {limits.cpu_period_us}"
            yield Setting("cpu", "cpu.max", quota)
        if limits.pids is not None or not is_new:
            yield Setting("pids", "pids.max", _or_max(limits.pids))

    def usage(self, path: str, *, at: float) -> Usage:
        """See `Version`. Processor time is counted without any controller."""
        group = below(self._top, path)
        cpu = read_numbers(self._files, f"{group}/cpu.stat")
        memory: Mapping[str, int] = {}
        memory_bytes = 0
        if "memory" in self.tops:
            memory = read_numbers(self._files, f"{group}/memory.stat")
            memory_bytes = int(self._files.read(f"{group}/{self.memory_usage_file}"))
        return Usage(
            at=at,
            cpu_ns=cpu.get("usage_usec", 0) * 1000,
            memory_bytes=memory_bytes,
            working_set_bytes=max(0, memory_bytes - memory.get("inactive_file", 0)),
            rss_bytes=memory.get("anon", 0),
            page_faults=memory.get("pgfault", 0),
            major_page_faults=memory.get("pgmajfault", 0),
            pids=self._pids(group),
        )

    def _pids(self, group: str) -> int:
        if "pids" in self.tops:
            return int(self._files.read(f"{group}/pids.current"))
        return len(self._files.read(f"{group}/{self.threads_file}").splitlines())


def weight(shares: int | None) -> int:
    """The `cpu.weight` that stands for `cpu.shares`: least, default and most become each other.

    Source: github.com/opencontainers/cgroups v0.0.6, utils.go, ConvertCPUSharesToCgroupV2Value.
    """
    if shares is None:
        return _WEIGHT
    if shares <= _LEAST_SHARES:
        return 1
    if shares >= _MOST_SHARES:
        return 10_000
    magnitude = math.log2(shares)
    exponent = (magnitude * magnitude + 125 * magnitude) / 612.0 - 7.0 / 34.0
    return math.ceil(10**exponent)


def _or_max(limit: int | None) -> str:
    return "max" if limit is None else str(limit)


def controllers_of(mount: Mount, files: Files) -> tuple[str, ...]:
    """Those of this hierarchy that matter; none where it cannot be read."""
    try:
        offered = files.read(f"{mount.directory}/{_CONTROLLERS}").split()
    except OSError:
        return ()
    return tuple(name for name in LIMITING if name in offered)


def open_unified(name: str, mount: Mount, files: Files) -> Unified:
    """The top group `name`, with what controllers it can be handed.

    At the top of the hierarchy; beside or below the group of this process, where only that is
    ours, as in a container or a service of systemd with `Delegate=yes`.

    Raises:
        CgroupsUnavailable: none of these lets us.
    """
    own = mount.own
    beside = own.rpartition("/")[0] if own.startswith(f"{mount.directory}/") else ""
    refusals: list[OSError] = []
    for base in dict.fromkeys(filter(None, (mount.directory, beside, own))):
        try:
            controllers = _open_below(base, name, files, is_own=base == own)
        except OSError as exc:
            refusals.append(exc)
        else:
            return Unified(files, below(base, name), controllers)
    raise CgroupsUnavailable.refused(refusals)


def _open_below(base: str, name: str, files: Files, *, is_own: bool) -> tuple[str, ...]:
    """The top group is there and hands down the controllers that are returned; or OSError."""
    try:
        controllers = _hand_down_some(files, base)
    except OSError as exc:
        if exc.errno != errno.EBUSY or not is_own:
            raise
        _step_aside(files, base)
        controllers = _hand_down_some(files, base)
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        make_directories(files, base, path)
        _hand_down(files, below(base, path), controllers)
    return controllers


def _hand_down_some(files: Files, group: str) -> tuple[str, ...]:
    """Those controllers that could be handed down; OSError if none could.

    One can be refused alone: `cpu` is while a process with real-time priority is in a group.
    """
    handed: list[str] = []
    refusal = OSError(errno.ENODEV, "has no controllers to hand down", group)
    offered = files.read(f"{group}/{_CONTROLLERS}").split()
    for controller in LIMITING:
        if controller not in offered:
            continue
        try:
            _hand_down(files, group, (controller,))
        except OSError as exc:
            refusal = exc
        else:
            handed.append(controller)
    if not handed:
        raise refusal
    return tuple(handed)


def _hand_down(files: Files, group: str, controllers: tuple[str, ...]) -> None:
    """Groups directly below `group` have `controllers`, each of which `group` has."""
    handed = files.read(f"{group}/{_HANDED_DOWN}").split()
    for controller in controllers:
        if controller not in handed:
            files.write(f"{group}/{_HANDED_DOWN}", f"+{controller}")


def _step_aside(files: Files, group: str) -> None:
    """This process, which was alone in `group`, is in a group below it.

    Only groups without processes hand controllers down. Those of others are not ours to move.
    """
    if files.read(f"{group}/{_PROCESSES}").split() != [str(os.getpid())]:
        raise OSError(errno.EBUSY, "has other processes", group)
    make_directories(files, group, _ITSELF)
    files.write(f"{group}/{_ITSELF}/{_PROCESSES}", "0")
