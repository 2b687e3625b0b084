"""The supervisor: a zygote that containers are forked from, and the parent that outlives kubelets.

Run as `python -I -m krustlet.process.supervisor`, with an empty environment and in a session of
its own. It owns the containers' processes, their pipes and their records on disk. Single-threaded
for good: a thread would make `fork` unsafe. Everything a child may need is imported before the
first fork; what a container is given passes through unread, in a sealed memfd.

With `--owner-fd` it lives no longer than whoever holds the other end of that pipe: it then kills
the containers, removes the `--scratch` directory and ends.
"""

import argparse
import errno
import gc
import os
import resource
import selectors
import shutil
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import msgspec

from krustlet.process import child, logpump
from krustlet.process.messages import (
    PROTOCOL,
    AnyMessage,
    Drained,
    End,
    Ended,
    Forget,
    Hello,
    Known,
    Launch,
    Message,
    ProtocolError,
    Pump,
    Quit,
    Refused,
    Start,
    Started,
    Stop,
    Welcome,
    receive,
    send,
)
from krustlet.process.records import Record, boot_id, write_record
from krustlet.process.runner import Report, Runner, decode_report, import_runner

_DRAIN_S: Final = 2.0  # an end is reported this late at most when its log does not get written
_PUMP_PAUSE_S: Final = 0.1
_OUTBOX: Final = 10_000  # messages kept for a kubelet that does not read; then it is cut off
_REPORT_BYTES: Final = 4096
_COMPLETED: Final = "Completed"
_ERROR: Final = "Error"


class Supervisor:
    """One loop over sockets, signals and deadlines."""

    def __init__(self, listener: socket.socket, runners: dict[str, Runner]) -> None:
        self._listener = listener
        self._runners = runners
        self._selector = selectors.DefaultSelector()
        self._containers: dict[str, _Container] = {}
        self._by_pid: dict[int, _Container] = {}
        self._due: dict[str, _Container] = {}  # those with a deadline
        self._connections: set[_Connection] = set()
        self._pump: socket.socket | None = None
        self._pump_pid = 0
        self._pump_started = 0.0
        self._quitting = False
        self._boot_id = boot_id()
        self._pid = os.getpid()
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def run(self, owner: int | None) -> None:
        """Serve until told to quit, or until the owner is gone; no container outlives this."""
        wakeup = self._listen_for_signals()
        self._register(wakeup, lambda: self._on_signal(wakeup))
        self._register(self._listener, self._accept)
        if owner is not None:
            self._register(owner, self._quit)
        self._start_pump()
        while not (self._quitting and not self._by_pid and not self._due):
            for key, events in self._selector.select(self._next_deadline_s()):
                if isinstance(key.data, _Connection):
                    self._serve(key.data, events)
                else:
                    key.data()
            self._meet_deadlines()

    # signals and children ---------------------------------------------------------------------

    def _listen_for_signals(self) -> int:
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in child.RESET_SIGNALS:
            signal.signal(number, _noted)
        return read

    def _on_signal(self, wakeup: int) -> None:
        numbers = os.read(wakeup, 4096)
        if signal.SIGTERM in numbers:
            self._quit()
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pump_pid:
                self._restart_pump()
            elif container := self._by_pid.pop(pid, None):
                container.exited(os.waitstatus_to_exitcode(status), time.time())
                self._due[container.launch.id] = container
                self._report_if_over(container)

    def _quit(self) -> None:
        self._quitting = True
        for container in self._by_pid.values():
            os.kill(container.pid, signal.SIGKILL)
        for key in list(self._selector.get_map().values()):
            if key.data == self._quit:  # the owner's pipe stays readable for ever
                self._selector.unregister(key.fileobj)

    # deadlines --------------------------------------------------------------------------------

    def _next_deadline_s(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, min(c.due_at for c in self._due.values()) - time.monotonic())

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        for container in [c for c in self._due.values() if c.due_at <= now]:
            if container.end is None:
                del self._due[container.launch.id]
                os.kill(container.pid, signal.SIGKILL)
            else:
                container.drained = True
                self._report_if_over(container)

    # kubelets ---------------------------------------------------------------------------------

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        if _peer_uid(peer) not in (0, os.getuid()):
            peer.close()
            return
        peer.setblocking(False)
        connection = _Connection(peer)
        self._connections.add(connection)
        self._selector.register(peer, selectors.EVENT_READ, connection)

    def _serve(self, connection: "_Connection", events: int) -> None:
        if connection not in self._connections:
            return  # dropped since the selector saw it
        try:
            if events & selectors.EVENT_WRITE:
                connection.flush()
            if events & selectors.EVENT_READ:
                received = receive(connection.socket)
                if received is None:
                    self._drop(connection)
                    return
                self._obey(connection, *received)
            self._watch(connection)
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as exc:
            _note(f"a kubelet's connection is cut: {exc}")
            self._drop(connection)

    def _watch(self, connection: "_Connection") -> None:
        if connection in self._connections:
            self._selector.modify(connection.socket, connection.interest(), connection)

    def _drop(self, connection: "_Connection") -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _obey(self, connection: "_Connection", message: AnyMessage, descriptors: list[int]) -> None:
        try:
            match message:
                case Hello():
                    self._welcome(connection)
                case Start(launch=launch):
                    self._start(connection, launch, descriptors)
                case Stop(id=container_id, grace_s=grace_s):
                    self._stop(container_id, grace_s)
                case Forget(id=container_id):
                    self._forget(container_id)
                case Quit():
                    self._quit()
                case _:
                    raise ProtocolError(f"not for a supervisor: {type(message).__name__}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _welcome(self, connection: "_Connection") -> None:
        for container in self._containers.values():
            end = container.end if container.reported else None
            known = Known(container.launch.id, container.pid, container.started_at, end)
            connection.tell(known)
        connection.tell(Welcome(PROTOCOL, self._pid))
        connection.greeted = True

    def _tell_all(self, message: Message) -> None:
        for connection in [c for c in self._connections if c.greeted]:
            try:
                connection.tell(message)
                self._watch(connection)
            except OSError:
                self._drop(connection)

    # containers -------------------------------------------------------------------------------

    def _start(self, connection: "_Connection", launch: Launch, descriptors: Sequence[int]) -> None:
        try:
            container = self._launch(launch, descriptors)
        except (OSError, _Refusal) as exc:
            connection.tell(Refused(launch.id, str(exc)))
            return
        self._tell_all(Started(launch.id, container.pid, container.started_at))

    def _launch(self, launch: Launch, descriptors: Sequence[int]) -> "_Container":
        if self._quitting:
            raise _Refusal("the supervisor is ending")
        if launch.id in self._containers:
            raise _Refusal("a container of this id is known already")
        if (runner := self._runners.get(launch.runner)) is None:
            raise _Refusal(f"runner {launch.runner} was not prepared")
        if len(descriptors) != 1:
            raise _Refusal(f"one payload is needed, {len(descriptors)} came")
        started_at = time.time()
        write_record(launch.directory, Record(launch.id, self._boot_id, started_at))
        container = self._fork(launch, runner, descriptors[0], started_at)
        self._containers[launch.id] = self._by_pid[container.pid] = container
        self._hand_to_pump(container)
        return container

    def _fork(
        self, launch: Launch, runner: Runner, payload: int, started_at: float
    ) -> "_Container":
        with _Pipes() as pipes:
            stdout, stdout_end = pipes.make()
            stderr, stderr_end = pipes.make()
            report, report_end = pipes.make()
            # Blocked over the fork: a signal must not meet our handlers in the child.
            signal.pthread_sigmask(signal.SIG_BLOCK, child.RESET_SIGNALS)
            try:
                pid = os.fork()
                if pid == 0:
                    child.become(
                        runner,
                        name=launch.id,
                        parent=self._pid,
                        stdin=self._null,
                        stdout=stdout_end,
                        stderr=stderr_end,
                        payload=payload,
                        report=report_end,
                    )
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, child.RESET_SIGNALS)
            pipes.keep_read_ends()
        return _Container(launch, pid, started_at, (stdout, stderr), report)

    def _stop(self, container_id: str, grace_s: float) -> None:
        container = self._containers.get(container_id)
        if container is None or container.end is not None:
            return
        if not container.stopping:
            container.stopping = True
            os.kill(container.pid, signal.SIGTERM)
        container.due_at = min(container.due_at, time.monotonic() + grace_s)
        self._due[container_id] = container

    def _forget(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is not None and container.reported:
            del self._containers[container_id]

    def _report_if_over(self, container: "_Container") -> None:
        """An end is told once the log is complete, so that nobody finds it shorter afterwards."""
        if container.end is None or container.reported or not container.drained:
            return
        container.reported = True
        del self._due[container.launch.id]
        container.close_streams()
        try:
            record = Record(container.launch.id, self._boot_id, container.started_at, container.end)
            write_record(container.launch.directory, record)
        except OSError as exc:
            _note(f"the end of {container.launch.id} is not on disk: {exc}")
        self._tell_all(Ended(container.launch.id, container.end))

    # the log pump -----------------------------------------------------------------------------

    def _start_pump(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        signal.pthread_sigmask(signal.SIG_BLOCK, child.RESET_SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._become_pump(theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, child.RESET_SIGNALS)
        theirs.close()
        self._pump, self._pump_pid = ours, pid
        self._pump_started = time.monotonic()
        self._register(ours, self._on_pump)

    def _become_pump(self, supervisor: socket.socket) -> NoReturn:
        try:
            child.become_helper("krustlet-logpump", keep=supervisor.fileno())
            logpump.main(supervisor)
        except BaseException as exc:  # noqa: BLE001 - the wall: nothing of the supervisor may go on in here
            _note(f"the log pump dies: {exc!r}")
        finally:
            os._exit(1)

    def _restart_pump(self) -> None:
        if self._pump is not None:
            self._selector.unregister(self._pump)
            self._pump.close()
        _note("the log pump died; starting another")
        if time.monotonic() - self._pump_started < _PUMP_PAUSE_S:
            time.sleep(_PUMP_PAUSE_S)  # a pump that cannot live must not keep us from all else
        self._start_pump()
        for container in self._containers.values():
            self._hand_to_pump(container)

    def _hand_to_pump(self, container: "_Container") -> None:
        if self._pump is None or container.drained:
            return
        try:
            send(
                self._pump,
                Pump(container.launch.id, container.launch.log),
                container.streams,
            )
        except OSError as exc:
            if exc.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            # It died; the signal that says so is on its way, and its successor gets them all.

    def _on_pump(self) -> None:
        received = receive(self._pump) if self._pump is not None else None
        if received is None or not isinstance(received[0], Drained):
            return  # it died: SIGCHLD brings the next one
        container = self._containers.get(received[0].id)
        if container is not None:
            container.drained = True
            self._report_if_over(container)

    def _register(self, source: socket.socket | int, do: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, do)


class _Refusal(Exception):
    """A launch that cannot be, told to whoever asked for it."""


class _Pipes:
    """Pipes made together: all of them, or none when one cannot be had."""

    def __init__(self) -> None:
        self._read_ends: list[int] = []
        self._write_ends: list[int] = []

    def __enter__(self) -> "_Pipes":
        return self

    def make(self) -> tuple[int, int]:
        read, write = os.pipe2(os.O_CLOEXEC)
        self._read_ends.append(read)
        self._write_ends.append(write)
        return read, write

    def keep_read_ends(self) -> None:
        self._read_ends.clear()

    def __exit__(self, *_: object) -> None:
        for descriptor in self._read_ends + self._write_ends:
            os.close(descriptor)


class _Container:
    """A process from its fork until the kubelet has noted its end.

    `due_at` is when something happens to it without anybody saying so, in monotonic seconds:
    SIGKILL while it runs, the report of its end once it has ended.
    """

    def __init__(
        self,
        launch: Launch,
        pid: int,
        started_at: float,
        streams: tuple[int, int],
        report: int,
    ) -> None:
        self.launch = launch
        self.pid = pid
        self.started_at = started_at
        self.streams: tuple[int, ...] = streams
        self.due_at = float("inf")
        self.stopping = False
        self.end: End | None = None
        self.drained = False
        self.reported = False
        self._report = report

    def exited(self, status: int, at: float) -> None:
        """Note how the process ended.

        Args:
            status: the exit code, or minus the signal that ended it.
            at: Unix seconds.
        """
        report = self._read_report()
        self.due_at = time.monotonic() + _DRAIN_S
        if report is not None:
            self.end = End(report.code, report.reason, report.message, at)
            return
        code = status if status >= 0 else 128 - status
        self.end = End(code, _COMPLETED if code == 0 else _ERROR, "", at)

    def close_streams(self) -> None:
        for descriptor in self.streams:
            os.close(descriptor)
        self.streams = ()

    def _read_report(self) -> Report | None:
        data = os.read(self._report, _REPORT_BYTES)
        os.close(self._report)
        try:
            return decode_report(data) if data else None
        except msgspec.MsgspecError as exc:
            _note(f"the report of {self.launch.id} is no report: {exc}")
            return None


class _Connection:
    """A kubelet. It is told things in order, and never waited for."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self.greeted = False
        self._outbox: deque[Message] = deque()

    def interest(self) -> int:
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outbox else 0)

    def tell(self, message: Message) -> None:
        if len(self._outbox) >= _OUTBOX:
            raise BrokenPipeError("it does not read what it is told")
        self._outbox.append(message)
        self.flush()

    def flush(self) -> None:
        while self._outbox:
            try:
                send(self.socket, self._outbox[0])
            except BlockingIOError:
                return
            self._outbox.popleft()


def _peer_uid(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


def _noted(_number: int, _frame: object) -> None:
    """The wake-up descriptor carries the signal's number; nothing happens inside a handler."""


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="krustlet-supervisor", allow_abbrev=False)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--runner", action="append", default=[], metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--path", action="append", default=[], metavar="DIR")
    parser.add_argument("--owner-fd", type=int)
    parser.add_argument("--scratch", metavar="DIR")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the runners, freeze the heap, serve."""
    options = _parse(arguments)
    os.umask(0o077)
    os.chdir("/")
    child.set_name("krustlet-supervi")
    _raise_descriptor_limit()
    sys.path.extend(options.path)
    runners = {path: import_runner(path) for path in options.runner}
    for runner in runners.values():
        runner.prepare()
    listener = socket.socket(fileno=options.listen_fd)
    supervisor = Supervisor(listener, runners)
    # Children share what they never write to; a collection would write to all of it.
    gc.collect()
    gc.freeze()
    try:
        supervisor.run(options.owner_fd)
    finally:
        if options.scratch is not None:
            shutil.rmtree(options.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
