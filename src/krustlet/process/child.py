"""What happens between `fork` and the guest's first instruction.

Each step below is silent when misplaced, so their order is this module's one job:

 1. descriptors: the guest's three, its payload and the reporter; nothing else of the supervisor's
 2. signals as a fresh process has them
 3. cgroups, before anything is allocated on the container's account
 4. the runner loads what only the node's user may read
 5. the walls, see `walls`: name spaces and root, then the user, then no new privileges and dying
    with the supervisor (a change of user clears that), then the filters
 6. the runner runs: threads begin only here

Each page of the zygote's that is written here becomes one of the container's own, and Python
writes to every object it so much as looks at. So this does little, by plain means.
"""

import gc
import os
from typing import Final, NoReturn

from krustlet.process import linux, raising
from krustlet.process.runner import START_ERROR, START_ERROR_CODE, Reporter, Runner
from krustlet.process.sealed import Sealed, decode_sealed

_STDIN: Final = 0
_PAYLOAD: Final = 3
_REPORT: Final = 4
_FIRST_UNWANTED: Final = 5
_HELPERS: Final = 3

_GUEST_UMASK: Final = 0o022


def settle_descriptors(last: int) -> None:
    """Keep the supervisor's descriptors up to `last`, and of these none that a child uses.

    A child can then put each in its place without looking what it might overwrite. What the shell
    that the kubelet was called from left open, goes: whoever waits for its end does not wait for
    us. Number 0 is every guest's stdin, and has to be /dev/null.
    """
    for number in (_PAYLOAD, _REPORT):
        os.dup2(_STDIN, number, inheritable=False)
    linux.close_from(last + 1)


def become(
    runner: Runner,
    *,
    name: str,
    parent: int,
    streams: tuple[int, ...],
    tty: bool,
    payload: int,
    report: int,
    within: int = 0,
) -> NoReturn:
    """Turn this freshly forked process into a container. Signals are blocked when it is called.

    Args:
        streams: what becomes stdin, stdout and stderr; -1 leaves /dev/null there.
        tty: they are a terminal, which becomes the one that controls it.
        within: the process of the container whose sandbox it goes into; 0 for one of its own.
    """
    try:
        gc.disable()  # a collection would write to all that the zygote made since it froze
        for number, descriptor in enumerate(streams):
            if descriptor >= 0:
                os.dup2(descriptor, number)
        os.dup2(payload, _PAYLOAD)
        os.dup2(report, _REPORT)
        linux.close_from(_FIRST_UNWANTED)
        reporter = Reporter(_REPORT)
        try:
            linux.unblock_signals()
            os.umask(_GUEST_UMASK)
            if tty:
                linux.take_terminal(_STDIN)
            sealed = _read_payload()
            raising.join_cgroups(sealed.walls)
            start = runner.load(sealed.payload)
            linux.set_name(name)
            raising.raise_walls(sealed.walls, parent=parent, within=within)
            start(reporter)
        except Exception as exc:  # noqa: BLE001 - the wall: whatever stops the start is the container's end
            message = str(exc) or type(exc).__name__
            reporter.end(START_ERROR_CODE, reason=START_ERROR, message=message)
    finally:
        os._exit(START_ERROR_CODE)


def become_helper(name: str, *, keep: int) -> int:
    """Turn this freshly forked process into a helper of the supervisor's.

    Besides stdin, stdout and stderr it has one descriptor: a copy of `keep`, which is returned.
    """
    os.dup2(keep, _HELPERS, inheritable=False)
    linux.close_from(_HELPERS + 1)
    linux.unblock_signals()
    linux.set_name(name)
    return _HELPERS


def _read_payload() -> Sealed:
    size = os.lseek(_PAYLOAD, 0, os.SEEK_END)
    data = os.pread(_PAYLOAD, size, 0)
    os.close(_PAYLOAD)
    if len(data) != size:
        raise OSError(f"read {len(data)} of the payload's {size} bytes")
    return decode_sealed(data)
