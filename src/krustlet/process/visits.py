"""People in containers: processes beside them, and what is typed into them.

Owns the processes that are executed within containers. Each belongs to the kubelet that asked for
it, which holds its streams, and ends with it and with the container, whichever goes first.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from krustlet.process.connections import Connection
from krustlet.process.containers import Container, Process
from krustlet.process.launcher import Launcher
from krustlet.process.logkeeper import LogKeeper
from krustlet.process.messages import (
    Attach,
    Attached,
    Execute,
    Executed,
    Message,
    Refused,
    Started,
)
from krustlet.process.runner import Runner

_OUTPUTS: Final = 2

Tell = Callable[[Connection, Message, Sequence[int]], None]


class Visit:
    """A process beside a container."""

    def __init__(self, process: Process, host: Connection, container: Container) -> None:
        self.process = process
        self.host = host
        self.container = container


class Visits:
    """Starts and ends what is executed, lends what is typed into."""

    def __init__(self, launcher: Launcher, logs: LogKeeper, tell: Tell) -> None:
        self._launcher = launcher
        self._logs = logs
        self._tell = tell
        self._visits: dict[int, Visit] = {}  # by process id
        self._typing: dict[str, Connection] = {}  # into containers whose input ends with the first

    def execute(
        self,
        host: Connection,
        wanted: Execute,
        descriptors: Sequence[int],
        *,
        container: Container | None,
        runners: Mapping[str, Runner],
        at: float,
    ) -> None:
        """Start a process for `host`, or tell it why not."""
        payload, *streams = descriptors or (-1,)
        if container is None or container.end is not None:
            self._refuse(host, wanted.id, "the container does not run")
        elif (runner := runners.get(wanted.runner)) is None:
            self._refuse(host, wanted.id, f"runner {wanted.runner} was not prepared")
        elif len(streams) != (1 if wanted.tty else 3):
            self._refuse(host, wanted.id, f"{len(streams)} streams came with it")
        else:
            try:
                process = self._launcher.execute(
                    wanted, runner, payload, tuple(streams), within=container
                )
            except OSError as exc:
                self._refuse(host, wanted.id, str(exc))
                return
            self._visits[process.pid] = Visit(process, host, container)
            self._tell(host, Started(wanted.id, process.pid, at), ())

    def attach(
        self,
        host: Connection,
        wanted: Attach,
        descriptors: Sequence[int],
        *,
        container: Container | None,
    ) -> None:
        """Have the log pump copy what is printed from now on, and lend what is read from."""
        if container is None or container.end is not None:
            self._refuse(host, wanted.id, "the container does not run")
            return
        if len(descriptors) != _OUTPUTS:
            self._refuse(host, wanted.id, f"{len(descriptors)} streams came with it")
            return
        self._logs.tee(container.id, (descriptors[0], descriptors[1]))
        lent: tuple[int, ...] = ()
        if container.input is not None and (wanted.stdin or container.launch.tty):
            lent = (container.input,)  # a terminal has a size, whoever types
            if wanted.stdin and container.launch.stdin_once:
                self._typing[container.id] = host
        self._tell(host, Attached(wanted.id, container.launch.tty), lent)

    def end_input(self, container: Container) -> None:
        """Who typed has left."""
        if self._typing.pop(container.id, None) is not None:
            container.end_input()

    def exited(self, pid: int, status: int, at: float) -> bool:
        """Whether the process that ended was one of these; whom it concerns is told."""
        if (visit := self._visits.pop(pid, None)) is None:
            return False
        end = visit.process.end_of(status, at)
        self._tell(visit.host, Executed(visit.process.id, end), ())
        return True

    def stop(self, id_: str) -> None:
        """End the process of that id, if there is one."""
        for visit in self._visits.values():
            if visit.process.id == id_:
                os.kill(visit.process.pid, signal.SIGKILL)

    def end_within(self, container: Container) -> None:
        """End what goes on beside a container that is over."""
        self._typing.pop(container.id, None)
        for visit in self._visits.values():
            if visit.container is container:
                os.kill(visit.process.pid, signal.SIGKILL)

    def left(self, host: Connection, containers: Mapping[str, Container]) -> None:
        """Nobody has the streams of what `host` started any more."""
        for visit in self._visits.values():
            if visit.host is host:
                os.kill(visit.process.pid, signal.SIGKILL)
        for id_ in [id_ for id_, typing in self._typing.items() if typing is host]:
            if (container := containers.get(id_)) is not None:
                self.end_input(container)

    def end_all(self) -> None:
        for pid in self._visits:
            os.kill(pid, signal.SIGKILL)

    def __bool__(self) -> bool:
        return bool(self._visits)

    def _refuse(self, host: Connection, id_: str, why: str) -> None:
        self._tell(host, Refused(id_, why), ())
