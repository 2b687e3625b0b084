"""Find the supervisor of a directory, or start one; and know when it has ended.

Owns the socket and the supervisor's own log in that directory.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import make_private_directory
from krustlet.process.errors import SupervisorUnavailable

_SOCKET: Final = ".sock"
_LOG: Final = "supervisor.log"
_BACKLOG: Final = 128
# The supervisor's descriptor numbers: above those that its children use, see `child`.
_LISTENER: Final = 5
_OWNER: Final = 6
_FIRST_FREE: Final = 7
# The environment of a zygote is every container's to read: it gets none. One tokio thread, as
# wasmtime's WASI starts one a core in each container otherwise.
_ENVIRONMENT: Final = {"TOKIO_WORKER_THREADS": "1"}
_START: Final = "from krustlet.process.supervisor import main; main()"


class SupervisorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to find a supervisor, or start one.

    Attributes:
        directory: private to this node or run; holds the socket and the supervisor's own log.
        generation: names what it is made of. A supervisor of another generation keeps what it runs,
            and starts nothing more.
        runners: what it prepares, each `module:attribute`, or `module:attribute=text`.
        import_paths: where to look for runners besides the installed packages.
        scratch: set for a supervisor that must not outlive this process: it then ends with us,
            however we end, and removes this directory; `groups`, those of control groups, go with
            it.
    """

    directory: Path
    generation: str = "supervisor"
    runners: Sequence[str]
    import_paths: Sequence[str] = ()
    scratch: Path | None = None
    groups: Sequence[str] = ()

    @property
    def log(self) -> Path:
        """Where the supervisor and the log pump write what nobody asked for."""
        return self.directory / _LOG

    @property
    def socket(self) -> str:
        """The name of its socket in the directory."""
        return self.generation + _SOCKET


class Zygote:
    """A supervisor's process, started by us or found running.

    While it is held, so is the pipe that tells a supervisor with a `scratch` that we live.
    """

    def __init__(self, pid: int, *, is_child: bool, owner: int | None = None) -> None:
        """Watch the process.

        Raises:
            ProcessLookupError: there is none.
        """
        self.pid = pid
        self._is_child = is_child
        self._owner = owner
        self._pidfd = os.pidfd_open(pid)
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the process is gone, and all that it cleans up is clean."""
        loop.add_reader(self._pidfd, self._on_ended)

    def kill(self) -> None:
        """End it without ado, and its containers with it."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def release(self) -> None:
        """Let go of it: one with a `scratch` ends, any other lives on."""
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None
        if not self._is_child:  # a child is waited for, or it would stay as a zombie
            self._stop_watching()

    def _on_ended(self) -> None:
        if self._is_child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self.release()
        self._stop_watching()
        self.ended.set_result(None)

    def _stop_watching(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def dial(settings: SupervisorSettings) -> socket.socket | None:
    """A connection to the supervisor of `settings`; None if there is none.

    Raises:
        SupervisorUnavailable: there is one, and it does not take connections.
        OSError: the directory cannot be used.
    """
    connection = _socket()
    connection.setblocking(False)
    try:
        with _short(settings.directory) as short:
            connection.connect(f"{short}/{settings.socket}")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BlockingIOError as exc:
        connection.close()
        raise SupervisorUnavailable("the supervisor takes no connections") from exc
    except OSError:
        connection.close()
        raise
    return connection


def other_generations(settings: SupervisorSettings) -> list[str]:
    """Those in the directory that there may be a supervisor of."""
    names = {path.name for path in settings.directory.glob(f"*{_SOCKET}")}
    return sorted(name.removesuffix(_SOCKET) for name in names - {settings.socket})


def bury(settings: SupervisorSettings) -> None:
    """Remove the socket of a supervisor that there is none of."""
    (settings.directory / settings.socket).unlink(missing_ok=True)


def spawn(settings: SupervisorSettings) -> Zygote:
    """Start a supervisor on a socket that listens already, so that nobody waits for it to.

    Raises:
        OSError: the directory cannot be used, or no process can be started.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        errors = stack.enter_context(settings.log.open("ab"))
        inherited = {_LISTENER: listener.fileno()}
        ours = None
        if settings.scratch is not None:
            inherited[_OWNER], ours = os.pipe()
            stack.callback(os.close, inherited[_OWNER])
            stack.callback(os.close, ours)
        # Copies at high numbers first: a source must not be overwritten before it is used.
        sources = {number: _high(stack, source) for number, source in inherited.items()}
        pid = os.posix_spawn(
            sys.executable,
            _command(settings),
            _ENVIRONMENT,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, errors.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
                *((os.POSIX_SPAWN_DUP2, source, number) for number, source in sources.items()),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
        return Zygote(pid, is_child=True, owner=None if ours is None else os.dup(ours))


@contextlib.contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Nobody else is in here for the same directory, which is made if absent.

    Raises:
        OSError: it cannot be used.
    """
    descriptor = os.open(make_private_directory(directory), os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # held for milliseconds
        yield
    finally:
        os.close(descriptor)


def _command(settings: SupervisorSettings) -> list[str]:
    command = [sys.executable, "-I", "-c", _START, "--directory", str(settings.directory)]
    command += ["--listen-fd", str(_LISTENER)]
    for runner in settings.runners:
        command += ["--runner", runner]
    for path in settings.import_paths:
        command += ["--path", path]
    if settings.scratch is not None:
        command += ["--owner-fd", str(_OWNER), "--scratch", str(settings.scratch)]
        for group in settings.groups:
            command += ["--group", group]
    return command


def _high(stack: contextlib.ExitStack, descriptor: int) -> int:
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    stack.callback(os.close, copy)
    return copy


def _listen(settings: SupervisorSettings) -> socket.socket:
    path = settings.directory / settings.socket
    path.unlink(missing_ok=True)
    listener = _socket()
    try:
        with _short(settings.directory) as short:
            listener.bind(f"{short}/{settings.socket}")
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@contextlib.contextmanager
def _short(directory: Path) -> Iterator[str]:
    """A path to `directory` that leaves room for a name: a socket's may have 107 bytes in all."""
    try:
        descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield str(directory)
        return
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
