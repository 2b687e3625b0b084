"""Version 1 of control groups: a hierarchy for each controller.

Source: the kernel's Documentation/admin-guide/cgroup-v1, and how github.com/opencontainers/cgroups
v0.0.6, `fs`, writes it on behalf of Kubernetes 1.36.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from krustlet.cgroups.errors import CgroupsUnavailable
from krustlet.cgroups.files import Files
from krustlet.cgroups.limits import CPU_PERIOD_US, Limits, Usage
from krustlet.cgroups.mounts import Mount
from krustlet.cgroups.version import (
    LIMITING,
    Setting,
    below,
    directories,
    make_directories,
    read_numbers,
)

_COUNTING: Final = "cpuacct"
_SHARES: Final = 1024  # the kernel's default, of a group that nobody said anything about
_UNLIMITED: Final = "-1"


class Split:
    """A `Version`."""

    number = 1
    # `tasks` moves one thread, and its writer needs not wait for all other forks of the machine as
    # one to cgroup.procs does: 1 ms instead of 16 at the 99th percentile, for four hierarchies.
    # Source: the kernel's cgroup_procs_write_start.
    procs_file = "tasks"
    threads_file = "tasks"
    oom_file = "memory.oom_control"
    memory_limit_file = "memory.limit_in_bytes"
    memory_usage_file = "memory.usage_in_bytes"

    def __init__(self, files: Files, tops: Mapping[str, str]) -> None:
        self._files = files
        self.tops = tops
        self.missing = tuple(name for name in (*LIMITING, _COUNTING) if name not in tops)

    def make(self, path: str) -> bool:
        """See `Version`."""
        news = [make_directories(self._files, top, path) for top in set(self.tops.values())]
        return all(news)

    def settings(
        self,
        limits: Limits,
        *,
        ends_whole: bool,
        is_new: bool,
        raises_memory: bool,
    ) -> Iterator[Setting]:
        """See `Version`."""
        if limits.memory_bytes is not None or not is_new:
            yield from _memory(limits.memory_bytes, raises=raises_memory)
        if limits.cpu_shares is not None or not is_new:
            yield Setting("cpu", "cpu.shares", str(limits.cpu_shares or _SHARES))
        if limits.cpu_quota_us is not None or not is_new:
            yield from _quota(limits, is_new=is_new)
        if limits.pids is not None or not is_new:
            yield Setting("pids", "pids.max", "max" if limits.pids is None else str(limits.pids))

    def usage(self, path: str, *, at: float) -> Usage:
        """See `Version`. What is below a group counts for it."""
        memory: Mapping[str, int] = {}
        memory_bytes = cpu_ns = 0
        if (top := self.tops.get("memory")) is not None:
            memory = read_numbers(self._files, f"{below(top, path)}/memory.stat")
            memory_bytes = int(self._files.read(f"{below(top, path)}/{self.memory_usage_file}"))
        if (top := self.tops.get(_COUNTING)) is not None:
            cpu_ns = int(self._files.read(f"{below(top, path)}/cpuacct.usage"))
        return Usage(
            at=at,
            cpu_ns=cpu_ns,
            memory_bytes=memory_bytes,
            working_set_bytes=max(0, memory_bytes - memory.get("total_inactive_file", 0)),
            rss_bytes=memory.get("total_rss", 0),
            page_faults=memory.get("total_pgfault", 0),
            major_page_faults=memory.get("total_pgmajfault", 0),
            pids=self._pids(path),
        )

    def _pids(self, path: str) -> int:
        if (top := self.tops.get("pids")) is not None:
            return int(self._files.read(f"{below(top, path)}/pids.current"))
        somewhere = directories(self, path)[0]
        return len(self._files.read(f"{somewhere}/{self.threads_file}").splitlines())


def _memory(limit: int | None, *, raises: bool) -> list[Setting]:
    """The limit of memory, and the same of memory and swap together, so that nothing is swapped.

    The kernel never lets the first be above the second, so which goes first depends.
    Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container_linux.go, ConfigureNoSwap.
    """
    text = _UNLIMITED if limit is None else str(limit)
    settings = [
        Setting("memory", Split.memory_limit_file, text),
        Setting("memory", "memory.memsw.limit_in_bytes", text, optional=True),
    ]
    return settings[::-1] if raises else settings


def _quota(limits: Limits, *, is_new: bool) -> Iterator[Setting]:
    """A new period beside the old quota might be more than the group above has, and be refused."""
    quota = _UNLIMITED if limits.cpu_quota_us is None else str(limits.cpu_quota_us)
    if not is_new or limits.cpu_period_us != CPU_PERIOD_US:
        yield Setting("cpu", "cpu.cfs_quota_us", _UNLIMITED)
        yield Setting("cpu", "cpu.cfs_period_us", str(limits.cpu_period_us))
    if quota != _UNLIMITED or is_new:
        yield Setting("cpu", "cpu.cfs_quota_us", quota)


def open_split(name: str, mounts: Sequence[Mount], files: Files) -> Split:
    """The top group `name`, made in each hierarchy that matters and lets us.

    At the top of the hierarchy; below the group of this process, where that alone is ours.

    Raises:
        CgroupsUnavailable: no hierarchy that could limit anything lets us.
    """
    tops: dict[str, str] = {}
    refusals: list[OSError] = []
    for controller in (*LIMITING, _COUNTING):
        mount = next((mount for mount in mounts if controller in mount.controllers), None)
        if mount is None or (controller == _COUNTING and not tops):
            continue
        for base in dict.fromkeys(filter(None, (mount.directory, mount.own))):
            try:
                make_directories(files, base, name)
                _count_what_is_below(files, below(base, name))
            except OSError as exc:
                refusals.append(exc)
            else:
                tops[controller] = below(base, name)
                break
    if not tops:
        raise CgroupsUnavailable.refused(refusals)
    return Split(files, tops)


def _count_what_is_below(files: Files, top: str) -> None:
    """A pod's processes are in groups below its own, which kernels before 5.11 count only if told.

    Later ones do it always; earlier ones have to be told before there is a group below.
    """
    switch = f"{top}/memory.use_hierarchy"
    try:
        is_hierarchical = files.read(switch).strip() != "0"
    except FileNotFoundError:
        return
    if not is_hierarchical:
        files.write(switch, "1")
