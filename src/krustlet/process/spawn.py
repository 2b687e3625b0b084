"""Find the supervisor of a directory, or start one.

Owns the socket and the supervisor's own log in that directory.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import make_private_directory

_SOCKET: Final = "supervisor.sock"
_LOG: Final = "supervisor.log"
_BACKLOG: Final = 16
_LISTENER: Final = 3  # the supervisor's descriptor numbers
_OWNER: Final = 4
# The environment of a zygote is every container's to read: it gets none. One tokio thread, as
# wasmtime's WASI starts one a core in each container otherwise.
_ENVIRONMENT: Final = {"TOKIO_WORKER_THREADS": "1"}


class SupervisorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to find a supervisor, or start one.

    Attributes:
        directory: private to this node or run; holds the socket and the supervisor's own log.
        runners: what it prepares, each `module:attribute`.
        import_paths: where to look for runners besides the installed packages.
        scratch: set for a supervisor that must not outlive this process: it then ends with us,
            however we end, and removes this directory.
    """

    directory: Path
    runners: Sequence[str]
    import_paths: Sequence[str] = ()
    scratch: Path | None = None

    @property
    def log(self) -> Path:
        """Where the supervisor and the log pump write what nobody asked for."""
        return self.directory / _LOG


class Zygote:
    """A supervisor that this process has started.

    While it is held, so is the pipe that tells a supervisor with a `scratch` that we live.
    """

    def __init__(self, pid: int, owner: int | None) -> None:
        self.pid = pid
        self._owner = owner
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    async def gone(self) -> None:
        """Wait until it has ended, and all that it cleans up is clean."""
        await self._ended.wait()

    def release(self) -> None:
        """Let go of it: one with a `scratch` ends, any other lives on."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
            if self._owner is not None:
                os.close(self._owner)

    def _reap(self) -> None:
        os.waitpid(self.pid, 0)
        self.release()
        self._ended.set()


def dial(directory: Path) -> socket.socket | None:
    """A connection to the supervisor of `directory`; None if there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _short(directory) as short:
            connection.connect(f"{short}/{_SOCKET}")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def spawn(settings: SupervisorSettings) -> Zygote:
    """Start a supervisor on a socket that listens already, so that nobody waits for it to.

    Raises:
        OSError: the directory cannot be used, or no process can be started.
    """
    make_private_directory(settings.directory)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(settings.directory))
        errors = stack.enter_context(settings.log.open("ab"))
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ]
        # Copies at high numbers first: a source must not be overwritten before it is used.
        high = [(_high(stack, listener.fileno()), _LISTENER)]
        owner = None
        if settings.scratch is not None:
            read, owner = os.pipe()
            stack.callback(os.close, read)
            high.append((_high(stack, read), _OWNER))
        actions += [(os.POSIX_SPAWN_DUP2, source, target) for source, target in high]
        pid = os.posix_spawn(
            sys.executable,
            _command(settings),
            _ENVIRONMENT,
            file_actions=actions,
            setsid=True,
        )
    return Zygote(pid, owner)


def _command(settings: SupervisorSettings) -> list[str]:
    command = [sys.executable, "-I", "-m", "krustlet.process.supervisor"]
    command += ["--listen-fd", str(_LISTENER)]
    for runner in settings.runners:
        command += ["--runner", runner]
    for path in settings.import_paths:
        command += ["--path", path]
    if settings.scratch is not None:
        command += ["--owner-fd", str(_OWNER), "--scratch", str(settings.scratch)]
    return command


def _high(stack: contextlib.ExitStack, descriptor: int) -> int:
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OWNER + 1)
    stack.callback(os.close, copy)
    return copy


def _listen(directory: Path) -> socket.socket:
    path = directory / _SOCKET
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with _short(directory) as short:
        listener.bind(f"{short}/{_SOCKET}")
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    return listener


@contextlib.contextmanager
def _short(directory: Path) -> Iterator[str]:
    """A path to `directory` that leaves room for a name: a socket's may have 107 bytes in all."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
