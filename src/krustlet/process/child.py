"""What happens between `fork` and the guest's first instruction.

Each step below is silent when misplaced, so their order is this module's one job:

 1. descriptors: the guest's three, its payload and the reporter; nothing else of the supervisor's
 2. signals as a fresh process has them
 3. (cgroups: join them before anything is allocated on the container's account)
 4. the runner loads what only the node's user may read
 5. (mount namespace, root file system)
 6. (user and groups)
 7. die with the supervisor: after the user, as changing it clears the parent-death signal
 8. no new privileges, no core dumps (then Landlock and seccomp)
 9. the runner runs: threads begin only here

The steps in parentheses have their place here and nothing in it yet.
"""

import ctypes
import gc
import mmap
import os
import resource
import signal
from typing import Final, NoReturn

from krustlet.process.runner import START_ERROR, START_ERROR_CODE, Reporter, Runner

_PAYLOAD: Final = 3
_REPORT: Final = 4
_FIRST_UNWANTED: Final = 5

_GUEST_UMASK: Final = 0o022

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_NO_NEW_PRIVS: Final = 38

# Python's own handlers and the supervisor's. Not SIGPIPE: a write to a broken pipe is the guest's
# to handle, as an errno. Not SIGSEGV, SIGBUS, SIGILL, SIGFPE: an engine may turn them into traps.
RESET_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)

_libc = ctypes.CDLL(None, use_errno=True)


def become(
    runner: Runner,
    *,
    name: str,
    parent: int,
    stdin: int,
    stdout: int,
    stderr: int,
    payload: int,
    report: int,
) -> NoReturn:
    """Turn this freshly forked process into a container. Signals are blocked when it is called."""
    try:
        gc.disable()  # a collection would copy the zygote's whole heap into this process
        _keep_only(stdin, stdout, stderr, payload, report)
        reporter = Reporter(_REPORT)
        try:
            _reset_signals()
            os.umask(_GUEST_UMASK)
            start = runner.load(_read_payload())
            set_name(name)
            _die_with(parent)
            _give_up_privileges()
            start(reporter)
        except Exception as exc:  # noqa: BLE001 - the wall: whatever stops the start is the container's end
            reporter.end(START_ERROR_CODE, reason=START_ERROR, message=_told(exc))
    finally:
        os._exit(START_ERROR_CODE)


def _keep_only(*descriptors: int) -> None:
    # Two rounds, as a source may itself be one of the numbers 0-4 that another is meant for.
    high = [os.dup(descriptor) for descriptor in descriptors]
    while min(high) < _FIRST_UNWANTED:
        high = [os.dup(descriptor) for descriptor in high]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number, inheritable=True)
    os.closerange(_FIRST_UNWANTED, os.sysconf("SC_OPEN_MAX"))


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in RESET_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _read_payload() -> bytes:
    size = os.fstat(_PAYLOAD).st_size
    if size == 0:
        os.close(_PAYLOAD)
        return b""
    with mmap.mmap(_PAYLOAD, size, prot=mmap.PROT_READ) as sealed:
        os.close(_PAYLOAD)
        return sealed[:]


def become_helper(name: str, *, keep: int) -> None:
    """Turn this freshly forked process into a helper of the supervisor's, with one descriptor."""
    gc.disable()
    os.closerange(_PAYLOAD, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    _reset_signals()
    set_name(name)


def set_name(name: str) -> None:
    """Be called `name` (its first 15 bytes) in `ps -o comm`."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def _die_with(parent: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(START_ERROR_CODE)


def _give_up_privileges() -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _prctl(option: int, value: int | bytes) -> None:
    argument = value if isinstance(value, bytes) else ctypes.c_ulong(value)
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, argument, zero, zero, zero) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl({option}): {os.strerror(errno)}")


def _told(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
