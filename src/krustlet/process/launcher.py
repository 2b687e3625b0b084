"""Fork what the supervisor keeps: containers, and processes beside them."""

import errno
import os
import time

from krustlet.process import child
from krustlet.process.containers import Container, Process
from krustlet.process.messages import Execute, Launch, close_all
from krustlet.process.records import Record, boot_id, remove_record, write_start
from krustlet.process.runner import Runner


class Launcher:
    """Makes processes: all of one, or nothing."""

    def __init__(self, *, last_descriptor: int) -> None:
        """Keep what it is given.

        Args:
            last_descriptor: the highest number a container's may have; what is above is for
                kubelets, records and payloads, or nobody could stop a container any more.
        """
        self._last_descriptor = last_descriptor
        self._boot_id = boot_id()
        self._pid = os.getpid()

    def start(self, launch: Launch, runner: Runner, payload: int) -> Container:
        """Fork a container.

        Raises:
            OSError: there is no room for it; nothing of it is left.
        """
        with _Ends(self._last_descriptor) as ends:
            report, report_end = ends.pipe()
            if launch.tty:
                terminal, theirs = ends.terminal()
                streams: tuple[int, ...] = (terminal,)
                input_: int | None = terminal
                child_streams: tuple[int, ...] = (theirs, theirs, theirs)
            else:
                stdin, input_ = (-1, None)
                if launch.stdin:
                    stdin, input_ = ends.pipe(ours_is_write_end=True)
                stdout, stdout_end = ends.pipe()
                stderr, stderr_end = ends.pipe()
                streams = (stdout, stderr)
                child_streams = (stdin, stdout_end, stderr_end)
            started_at = time.time()
            write_start(launch.directory, Record(launch.id, self._boot_id, started_at))
            try:
                pid = os.fork()
            except OSError:
                remove_record(launch.directory)
                raise
            if pid == 0:
                child.become(
                    runner,
                    name=launch.id,
                    parent=self._pid,
                    streams=child_streams,
                    tty=launch.tty,
                    payload=payload,
                    report=report_end,
                )
            ends.keep_ours()
        return Container(launch, pid, started_at, streams=streams, input_=input_, report=report)

    def execute(
        self,
        wanted: Execute,
        runner: Runner,
        payload: int,
        streams: tuple[int, ...],
        *,
        within: Container,
    ) -> Process:
        """Fork a process beside a container, with the streams it was given.

        Raises:
            OSError: there is no room for it; nothing of it is left.
        """
        with _Ends(self._last_descriptor) as ends:
            report, report_end = ends.pipe()
            pid = os.fork()
            if pid == 0:
                child.become(
                    runner,
                    name=wanted.id,
                    parent=self._pid,
                    streams=streams * 3 if wanted.tty else streams,
                    tty=wanted.tty,
                    payload=payload,
                    report=report_end,
                    within=within.pid,
                )
            ends.keep_ours()
        return Process(wanted.id, pid, report)


class _Ends:
    """Pipes and terminals made together: all of them, or none when one cannot be had."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._ours: list[int] = []
        self._theirs: list[int] = []

    def __enter__(self) -> "_Ends":
        return self

    def pipe(self, *, ours_is_write_end: bool = False) -> tuple[int, int]:
        """A pipe's read end and write end; what is not ours is the child's."""
        read, write = os.pipe2(os.O_CLOEXEC)
        self._keep(write, read) if ours_is_write_end else self._keep(read, write)
        return read, write

    def terminal(self) -> tuple[int, int]:
        """Our side of a new terminal, and the child's."""
        ours, theirs = os.openpty()
        self._keep(ours, theirs)
        return ours, theirs

    def _keep(self, ours: int, theirs: int) -> None:
        self._ours.append(ours)
        self._theirs.append(theirs)
        if max(ours, theirs) > self._last:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def keep_ours(self) -> None:
        self._ours.clear()

    def __exit__(self, *_: object) -> None:
        close_all(self._ours + self._theirs)
