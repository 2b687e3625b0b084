"""What may be used, and what was: plain values, in the kernel's units."""

from typing import Final

import msgspec

CPU_PERIOD_US: Final = 100_000  # Kubernetes' own
MOST_QUOTA_US: Final = (1 << 44) - 1  # the kernel's MAX_BW, which is of 64 bits less BW_SHIFT's 20
MOST_MEMORY_BYTES: Final = (1 << 63) - 1  # it takes more as this, or as no number at all


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a group may use together; None is whatever is there.

    Attributes:
        memory_bytes: above it the kernel ends a process of the group.
        cpu_shares: their part of a processor that others want, too; 1024 is one whole, as in
            cgroup v1, whichever version is there.
        cpu_quota_us: processor time in each period, of all processors together.
        pids: processes and threads.
    """

    memory_bytes: int | None = None
    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int = CPU_PERIOD_US
    pids: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a group use, or have used, at one time.

    Attributes:
        at: Unix seconds.
        cpu_ns: processor time since the group was made.
        memory_bytes: all that is charged to the group, the files it read among it.
        working_set_bytes: of these, what cannot be taken back at once: Kubernetes' figure.
        rss_bytes: anonymous memory.
        page_faults: since the group was made; `major_page_faults` of them read from a disk.
        pids: processes and threads that there are.
    """

    at: float
    cpu_ns: int
    memory_bytes: int
    working_set_bytes: int
    rss_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    pids: int = 0
