"""Fork a container, and keep what the supervisor knows of it until the kubelet has noted its end.

Owns each container's pipes and the process' exit. Leaves deadlines to `supervisor`, and the
carrying of what is printed to the log pump.
"""

import errno
import os
import time
from typing import Final

import msgspec

from krustlet.process import child
from krustlet.process.messages import End, Known, Launch, close_all
from krustlet.process.notes import note
from krustlet.process.records import Record, boot_id, remove_record, write_end, write_start
from krustlet.process.runner import REPORT_BYTES, Report, Runner, decode_report

_COMPLETED: Final = "Completed"
_ERROR: Final = "Error"
_NEVER: Final = float("inf")


class Container:
    """A process from its fork until the kubelet has noted its end.

    `due_at` is when something happens to it without anybody saying so, in monotonic seconds:
    SIGKILL while it runs, the report of its end once it has ended.
    """

    def __init__(
        self, launch: Launch, pid: int, started_at: float, streams: tuple[int, int], report: int
    ) -> None:
        self.launch = launch
        self.pid = pid
        self.started_at = started_at
        self.streams: tuple[int, ...] = streams
        self.due_at = _NEVER
        self.stopping = False
        self.end: End | None = None
        self.drained = False
        self.reported = False
        self.forgotten = False
        self._report = report

    @property
    def id(self) -> str:
        return self.launch.id

    def known(self) -> Known:
        """What a kubelet that comes is told of it; of its end only what all have been told."""
        return Known(self.id, self.pid, self.started_at, self.end if self.reported else None)

    def exited(self, status: int, at: float) -> None:
        """Note how the process ended.

        Args:
            status: the exit code, or minus the signal that ended it.
            at: Unix seconds.
        """
        if (report := self._read_report()) is not None:
            self.end = End(report.code, report.reason, report.message, at)
            return
        code = status if status >= 0 else 128 - status
        self.end = End(code, _COMPLETED if code == 0 else _ERROR, "", at)

    def record_end(self) -> None:
        """Write the end down. A full disk loses it, should no kubelet be there to hear it."""
        assert self.end is not None
        try:
            write_end(self.launch.directory, self.end)
        except OSError as exc:
            note(f"the end of {self.id} is not on disk: {exc}")

    def close_streams(self) -> None:
        for descriptor in self.streams:
            os.close(descriptor)
        self.streams = ()

    def _read_report(self) -> Report | None:
        data = os.read(self._report, REPORT_BYTES)
        os.close(self._report)
        try:
            return decode_report(data) if data else None
        except msgspec.MsgspecError as exc:
            note(f"the report of {self.id} is no report: {exc}")
            return None


class Launcher:
    """Makes containers: all of one, or nothing."""

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
        with _Pipes(self._last_descriptor) as pipes:
            stdout, stdout_end = pipes.make()
            stderr, stderr_end = pipes.make()
            report, report_end = pipes.make()
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
                    stdout=stdout_end,
                    stderr=stderr_end,
                    payload=payload,
                    report=report_end,
                )
            pipes.keep_read_ends()
        return Container(launch, pid, started_at, (stdout, stderr), report)


class _Pipes:
    """Pipes made together: all of them, or none when one cannot be had."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._read_ends: list[int] = []
        self._write_ends: list[int] = []

    def __enter__(self) -> "_Pipes":
        return self

    def make(self) -> tuple[int, int]:
        read, write = os.pipe2(os.O_CLOEXEC)
        self._read_ends.append(read)
        self._write_ends.append(write)
        if write > self._last:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return read, write

    def keep_read_ends(self) -> None:
        self._read_ends.clear()

    def __exit__(self, *_: object) -> None:
        close_all(self._read_ends + self._write_ends)
