"""What happens between `fork` and the guest's first instruction.

Each step below is silent when misplaced, so their order is this module's one job:

 1. descriptors: the guest's three, its payload and the reporter; nothing else of the supervisor's
 2. signals as a fresh process has them
 3. (cgroups: join them before anything is allocated on the container's account)
 4. the runner loads what only the node's user may read
 5. (mount namespace, root file system)
 6. (user and groups)
 7. die with the supervisor: after the user, as changing it clears the parent-death signal
 8. no new privileges (then Landlock and seccomp)
 9. the runner runs: threads begin only here

The steps in parentheses have their place here and nothing in it yet.

Each page of the zygote's that is written here becomes one of the container's own, and Python
writes to every object it so much as looks at. So this does little, by plain means.
"""

import gc
import os
from typing import Final, NoReturn

from krustlet.process import linux
from krustlet.process.runner import START_ERROR, START_ERROR_CODE, Reporter, Runner

_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2
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
    runner: Runner, *, name: str, parent: int, stdout: int, stderr: int, payload: int, report: int
) -> NoReturn:
    """Turn this freshly forked process into a container. Signals are blocked when it is called."""
    try:
        gc.disable()  # a collection would write to all that the zygote made since it froze
        os.dup2(stdout, _STDOUT)
        os.dup2(stderr, _STDERR)
        os.dup2(payload, _PAYLOAD)
        os.dup2(report, _REPORT)
        linux.close_from(_FIRST_UNWANTED)
        reporter = Reporter(_REPORT)
        try:
            linux.unblock_signals()
            os.umask(_GUEST_UMASK)
            start = runner.load(_read_payload())
            linux.set_name(name)
            _die_with(parent)
            linux.give_up_new_privileges()
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


def _read_payload() -> bytes:
    size = os.lseek(_PAYLOAD, 0, os.SEEK_END)
    data = os.pread(_PAYLOAD, size, 0)
    os.close(_PAYLOAD)
    if len(data) != size:
        raise OSError(f"read {len(data)} of the payload's {size} bytes")
    return data


def _die_with(parent: int) -> None:
    linux.die_with_parent()
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(START_ERROR_CODE)
