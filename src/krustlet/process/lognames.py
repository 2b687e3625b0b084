"""What the files of a log are called, and which there are.

The one that is written has the log's own name. When it has grown enough it is given the name that a
kubelet would give it, `<log>.<YYYYMMDD-HHMMSS>`, here in UTC, so that no change of the clock in
autumn brings them out of order. Of several in one second, or while the clock is behind, the later
ones carry a number too: names always sort as they were given.

Source: kubernetes pkg/kubelet/logs/container_log_manager.go, `rotateLatestLog`.
"""

import os
import time
from typing import Final

_STAMP: Final = "%Y%m%d-%H%M%S"
_DATE: Final = slice(0, 8)
_DASH: Final = 8
_STAMP_LENGTH: Final = 15
_NUMBER_LENGTH: Final = 6


def rotated(log: str) -> list[str]:
    """The paths of what was written before the file `log`, oldest first.

    Raises:
        OSError: its directory cannot be read.
    """
    directory, _, name = log.rpartition("/")
    prefix = name + "."
    return [
        f"{directory}/{found}"
        for found in sorted(os.listdir(directory or "/"))
        if found.startswith(prefix) and _is_suffix(found[len(prefix) :])
    ]


def next_name(log: str, newest: str, at: float) -> str:
    """What to call the file `log` when it is done with.

    Args:
        log: its path.
        newest: the last one's path; empty if there is none.
        at: Unix seconds.
    """
    stamp = time.strftime(_STAMP, time.gmtime(at))
    last, _, number = newest[len(log) + 1 :].partition(".")
    if stamp > last:
        return f"{log}.{stamp}"
    return f"{log}.{last}.{int(number or '0') + 1:0{_NUMBER_LENGTH}}"


def _is_suffix(text: str) -> bool:
    stamp, dot, number = text.partition(".")
    return (
        len(stamp) == _STAMP_LENGTH
        and stamp[_DASH] == "-"
        and (stamp[_DATE] + stamp[_DASH + 1 :]).isdecimal()
        and (not dot or (len(number) == _NUMBER_LENGTH and number.isdecimal()))
    )
