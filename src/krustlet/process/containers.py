"""What the supervisor knows of a container until the kubelet has noted its end.

Owns the ends of each container's streams, and what its process tells of its end. Leaves making it
to `launcher`, deadlines to `supervisor`, and the carrying of what is printed to the log pump.
"""

import os
import signal
from typing import Final

import msgspec

from krustlet.process.messages import End, Known, Launch
from krustlet.process.notes import note
from krustlet.process.records import write_end
from krustlet.process.runner import REPORT_BYTES, Report, decode_report

_COMPLETED: Final = "Completed"
_ERROR: Final = "Error"
_OOM_KILLED: Final = "OOMKilled"
_OOM_KILLS: Final = b"oom_kill "
_COUNTERS_BYTES: Final = 4096
_MAKE_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # and no fifo
_NEVER: Final = float("inf")


class Process:
    """A child, and the pipe on which it may say more of its end than an exit status can."""

    def __init__(self, id_: str, pid: int, report: int) -> None:
        self.id = id_
        self.pid = pid
        self._report = report

    def end_of(self, status: int, at: float) -> End:
        """How it ended; asked once.

        Args:
            status: the exit code, or minus the signal that ended it.
            at: Unix seconds.
        """
        if (report := self._read_report()) is not None:
            return End(report.code, report.reason, report.message, at)
        code = status if status >= 0 else 128 - status
        return End(code, _COMPLETED if code == 0 else _ERROR, "", at)

    def _read_report(self) -> Report | None:
        os.set_blocking(self._report, False)  # somebody else may have been given its other end
        try:
            data = os.read(self._report, REPORT_BYTES)
        except BlockingIOError:
            data = b""
        finally:
            os.close(self._report)
        try:
            return decode_report(data) if data else None
        except msgspec.MsgspecError as exc:
            note(f"the report of {self.id} is no report: {exc}")
            return None


class Container(Process):
    """A process from its fork until the kubelet has noted its end.

    `due_at` is when something happens to it without anybody saying so, in monotonic seconds:
    SIGKILL while it runs, the report of its end once it has ended.

    Attributes:
        streams: where to read what it prints: stdout and stderr, or its terminal.
        input: where to write what it reads, if anything: a pipe, or its terminal.
    """

    def __init__(
        self,
        launch: Launch,
        pid: int,
        started_at: float,
        *,
        streams: tuple[int, ...],
        input_: int | None,
        report: int,
    ) -> None:
        super().__init__(launch.id, pid, report)
        self.launch = launch
        self.started_at = started_at
        self.streams = streams
        self.input = input_
        self.due_at = _NEVER
        self.stopping = False
        self.end: End | None = None
        self.drained = False
        self.reported = False
        self.forgotten = False

    def known(self) -> Known:
        """What a kubelet that comes is told of it; of its end only what all have been told."""
        return Known(self.id, self.pid, self.started_at, self.end if self.reported else None)

    def ask_to_end(self) -> None:
        """SIGTERM, or what it wants to see in its place."""
        self.stopping = True
        if self.launch.terminating:
            try:
                os.close(os.open(self.launch.terminating, _MAKE_FILE, 0o644))
                return
            except OSError as exc:
                note(f"{self.id} cannot be told to end by a file: {exc}")
        os.kill(self.pid, signal.SIGTERM)

    def exited(self, status: int, at: float) -> None:
        """Note how the process ended, see `end_of`."""
        self.end = self.end_of(status, at)
        if status == -signal.SIGKILL and _was_short_of_memory(self.launch.oom_file):
            self.end = End(self.end.code, _OOM_KILLED, "", at)
        self.end_input()

    def record_end(self) -> None:
        """Write the end down. A full disk loses it, should no kubelet be there to hear it."""
        assert self.end is not None
        try:
            write_end(self.launch.directory, self.end)
        except OSError as exc:
            note(f"the end of {self.id} is not on disk: {exc}")

    def end_input(self) -> None:
        """Nothing more comes to it; to a terminal something may always come."""
        if self.input is not None and self.input not in self.streams:
            os.close(self.input)
            self.input = None

    def close_streams(self) -> None:
        self.end_input()
        self.input = None
        for descriptor in self.streams:
            os.close(descriptor)
        self.streams = ()


def _was_short_of_memory(path: str) -> bool:
    """Whether the kernel has ended a process of the group whose counters these are."""
    if not path:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            counters = os.read(descriptor, _COUNTERS_BYTES)
        finally:
            os.close(descriptor)
    except OSError as exc:
        note(f"whether memory ran out is not known: {exc}")
        return False
    _, _, count = (b"\n" + counters).partition(b"\n" + _OOM_KILLS)
    return int(count.partition(b"\n")[0] or b"0") > 0
