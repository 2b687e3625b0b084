"""The supervisor: a zygote that containers are forked from, and the parent that outlives kubelets.

Run as `python -I -m krustlet.process.supervisor`, with an empty environment and in a session of
its own. It decides when each container starts, is stopped and is over. Single-threaded for good: a
thread would make `fork` unsafe. Everything a child may need is imported before the first fork;
what a container is given passes through unread, in a sealed memfd.

With `--owner-fd` it lives no longer than whoever holds the other end of that pipe: it then kills
the containers, removes the `--scratch` directory and each control `--group`, and ends.
"""

import argparse
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

from krustlet.process import child, heap, linux, raising, scratch
from krustlet.process.connections import Connection, Connections
from krustlet.process.containers import Container
from krustlet.process.launcher import Launcher
from krustlet.process.logkeeper import LogKeeper
from krustlet.process.messages import (
    PROTOCOL,
    AnyMessage,
    Attach,
    Ended,
    EndInput,
    Execute,
    Forget,
    Hello,
    Launch,
    ProtocolError,
    Quit,
    Refused,
    Start,
    Started,
    Stop,
    Welcome,
)
from krustlet.process.runner import Runner, import_runner
from krustlet.process.visits import Visits

_NAME: Final = "krustlet-supervisor"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
_DRAIN_S: Final = 2.0  # an end is reported this late at most when its log does not get written
_ENDING: Final = "the supervisor is ending"
_KEPT_DESCRIPTORS: Final = 64  # no container may have these: see `Launcher`
_LONGEST_SLEEP_S: Final = 86_400.0  # epoll takes 24 days at most; a grace period may be longer


class Supervisor:
    """One loop over sockets, signals and deadlines."""

    def __init__(self, listener: socket.socket, runners: dict[str, Runner]) -> None:
        self._runners = runners
        self._selector = selectors.DefaultSelector()
        self._containers: dict[str, Container] = {}
        self._by_pid: dict[int, Container] = {}
        self._due: dict[str, Container] = {}  # those with a deadline
        self._kubelets = Connections(listener, self._selector, self._obey, self._left)
        self._logs = LogKeeper(self._selector, on_drained=self._on_drained)
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._launcher = Launcher(last_descriptor=most - _KEPT_DESCRIPTORS)
        self._visits = Visits(self._launcher, self._logs, self._kubelets.tell)
        self._signals = linux.open_signals(_SIGNALS)
        self._quitting = False

    def run(self, owner: int | None) -> None:
        """Serve until told to quit, or until the owner is gone; no container outlives this."""
        self._selector.register(self._signals, selectors.EVENT_READ, self._on_signal)
        if owner is not None:
            self._selector.register(owner, selectors.EVENT_READ, lambda _: self._owner_gone(owner))
        self._logs.start(())
        while not self._quitting or self._by_pid or self._due or self._visits:
            for key, events in self._selector.select(self._next_deadline_s()):
                key.data(events)
            self._meet_deadlines()
        self._logs.close()

    # signals and children ---------------------------------------------------------------------

    def _on_signal(self, _events: int) -> None:
        if signal.SIGTERM in linux.read_signals(self._signals):
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
            if pid == self._logs.pid:
                self._logs.died()
            elif container := self._by_pid.pop(pid, None):
                container.exited(os.waitstatus_to_exitcode(status), time.time())
                self._visits.end_within(container)
                container.record_end()
                container.due_at = time.monotonic() + _DRAIN_S
                self._due[container.id] = container
                self._report_if_over(container)
            else:
                self._visits.exited(pid, os.waitstatus_to_exitcode(status), time.time())

    def _owner_gone(self, owner: int) -> None:
        self._selector.unregister(owner)  # it stays readable for ever
        self._quit()

    def _quit(self) -> None:
        self._quitting = True
        for container in self._by_pid.values():
            os.kill(container.pid, signal.SIGKILL)
        self._visits.end_all()

    # deadlines --------------------------------------------------------------------------------

    def _next_deadline_s(self) -> float | None:
        due_at = min((c.due_at for c in self._due.values()), default=self._logs.due_at)
        due_at = min(due_at, self._logs.due_at)
        if due_at == float("inf"):
            return None
        return min(max(0.0, due_at - time.monotonic()), _LONGEST_SLEEP_S)

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        if self._logs.due_at <= now:
            self._logs.start(self._containers.values())
        for container in [c for c in self._due.values() if c.due_at <= now]:
            if container.end is None:
                del self._due[container.id]
                os.kill(container.pid, signal.SIGKILL)
            else:
                self._on_drained(container.id)

    # kubelets ---------------------------------------------------------------------------------

    def _obey(self, kubelet: Connection, message: AnyMessage, descriptors: list[int]) -> None:
        match message:
            case Hello():
                known = [container.known() for container in self._containers.values()]
                kubelet.say([*known, Welcome(PROTOCOL, os.getpid())])
                self._kubelets.greet(kubelet)
            case Start(launch=launch):
                self._start(kubelet, launch, descriptors)
            case Stop(id=container_id, grace_s=grace_s):
                self._stop(container_id, grace_s)
            case Forget(id=container_id):
                self._forget(container_id)
            case Execute() if self._quitting:
                self._kubelets.tell(kubelet, Refused(message.id, _ENDING))
            case Execute():
                self._visits.execute(
                    kubelet,
                    message,
                    descriptors,
                    container=self._containers.get(message.within),
                    runners=self._runners,
                    at=time.time(),
                )
            case Attach():
                container = self._containers.get(message.container)
                self._visits.attach(kubelet, message, descriptors, container=container)
            case EndInput():
                if (container := self._containers.get(message.container)) is not None:
                    self._visits.end_input(container)
            case Quit():
                self._quit()
            case _:
                raise ProtocolError(f"not for a supervisor: {type(message).__name__}")

    def _left(self, kubelet: Connection) -> None:
        self._visits.left(kubelet, self._containers)

    # containers -------------------------------------------------------------------------------

    def _start(self, kubelet: Connection, launch: Launch, descriptors: Sequence[int]) -> None:
        try:
            container = self._launch(launch, descriptors)
        except (OSError, _Refusal) as exc:
            kubelet.tell(Refused(launch.id, str(exc)))
            return
        self._kubelets.tell_all(Started(container.id, container.pid, container.started_at))

    def _launch(self, launch: Launch, descriptors: Sequence[int]) -> Container:
        if self._quitting:
            raise _Refusal(_ENDING)
        if launch.id in self._containers:
            raise _Refusal("a container of this id is known already")
        if (runner := self._runners.get(launch.runner)) is None:
            raise _Refusal(f"runner {launch.runner} was not prepared")
        if "\0" in launch.directory + launch.log + launch.terminating + launch.oom_file:
            raise _Refusal("a path has a zero byte in it")
        if len(descriptors) != 1:
            raise _Refusal(f"one payload is needed, {len(descriptors)} came")
        container = self._launcher.start(launch, runner, descriptors[0])
        self._containers[launch.id] = self._by_pid[container.pid] = container
        self._logs.take(container)
        return container

    def _stop(self, container_id: str, grace_s: float) -> None:
        container = self._containers.get(container_id)
        if container is None:
            self._visits.stop(container_id)
            return
        if container.end is not None:
            return
        if not container.stopping:
            container.ask_to_end()
        container.due_at = min(container.due_at, time.monotonic() + grace_s)
        self._due[container_id] = container

    def _forget(self, container_id: str) -> None:
        container = self._containers.get(container_id)
        if container is None:
            return
        container.forgotten = True
        if container.reported:
            del self._containers[container_id]

    def _on_drained(self, container_id: str) -> None:
        if (container := self._containers.get(container_id)) is not None:
            container.drained = True
            self._report_if_over(container)

    def _report_if_over(self, container: Container) -> None:
        """An end is told once the log is complete, so that nobody finds it shorter afterwards."""
        if container.end is None or container.reported or not container.drained:
            return
        container.reported = True
        del self._due[container.id]
        container.close_streams()
        self._kubelets.tell_all(Ended(container.id, container.end))
        if container.forgotten:
            del self._containers[container.id]


class _Refusal(Exception):
    """A launch that cannot be, told to whoever asked for it."""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=_NAME, allow_abbrev=False)
    parser.add_argument("--directory", metavar="DIR", help="whose it is, for people to see")
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--runner", action="append", default=[], metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--path", action="append", default=[], metavar="DIR")
    parser.add_argument("--owner-fd", type=int)
    parser.add_argument("--scratch", metavar="DIR")
    parser.add_argument("--group", action="append", default=[], metavar="DIR")
    return parser.parse_args(arguments)


def _settle(last_descriptor: int) -> None:
    """Set what every child inherits."""
    child.settle_descriptors(last_descriptor)
    os.umask(0o077)
    os.chdir("/")
    linux.set_name(_NAME)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core is a file with secrets in it


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the runners, freeze the heap, serve."""
    options = _parse(arguments)
    _settle(max(options.listen_fd, options.owner_fd or 0))
    sys.path.extend(options.path)
    runners = {path: import_runner(path) for path in options.runner}
    for runner in runners.values():
        runner.prepare()
    raising.prepare()
    supervisor = Supervisor(socket.socket(fileno=options.listen_fd), runners)
    heap.freeze()
    try:
        supervisor.run(options.owner_fd)
    finally:
        if options.scratch is not None:
            scratch.remove(options.scratch, options.group)


if __name__ == "__main__":
    main()
