"""Control groups: what a group of processes may use, and what it has used.

`detect` finds what this machine offers, of either version of the kernel's interface, and gives a
`Cgroups`: one tree of groups that is ours alone. A process enters a `Group` by writing `0` to each
of its `procs`; who does so, and when, is left to others.
"""

from krustlet.cgroups.errors import CgroupError, CgroupsUnavailable, GroupBusy, LimitRefused
from krustlet.cgroups.group import Group
from krustlet.cgroups.groups import Cgroups, detect
from krustlet.cgroups.limits import (
    CPU_PERIOD_US,
    MOST_MEMORY_BYTES,
    MOST_QUOTA_US,
    Limits,
    Usage,
)

__all__ = [
    "CPU_PERIOD_US",
    "MOST_MEMORY_BYTES",
    "MOST_QUOTA_US",
    "CgroupError",
    "Cgroups",
    "CgroupsUnavailable",
    "Group",
    "GroupBusy",
    "LimitRefused",
    "Limits",
    "Usage",
    "detect",
]
