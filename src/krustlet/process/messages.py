"""What kubelet, supervisor and log pump say to each other.

One message is one packet of a `SOCK_SEQPACKET` Unix socket: msgpack, tagged by type; descriptors
ride along by SCM_RIGHTS. Secrets never do: what a container is given travels in a sealed memfd
that the supervisor hands on unread.

Kubelets of later versions talk to supervisors of earlier ones, so what is here only grows: a field
that is added has a default, and a message that is added is not sent to who speaks an older
protocol. `Hello`, `Welcome`, `Known`, `Started`, `Ended`, `Stop`, `Forget` and `Quit` are what both
have needed from the first, and are enough to see an older supervisor's containers to their ends.
"""

import os
import socket
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

PROTOCOL: Final = 2
LOG_MAX_BYTES: Final = 10 << 20  # where whoever starts a container does not say
LOG_MAX_FILES: Final = 5
MAX_MESSAGE_BYTES: Final = 64 * 1024  # far above any message, below every kernel's socket buffer
_MAX_DESCRIPTORS: Final = 4  # a payload and three streams


class Message(msgspec.Struct, frozen=True, tag=True):
    """Anything that crosses a socket of this room."""


class Launch(msgspec.Struct, frozen=True):
    """What the supervisor needs to know of a container; what only the child may know is sealed.

    Attributes:
        id: unique for ever, as it names the container in logs and in the API.
        runner: `module:attribute` of a `Runner` that the supervisor has prepared.
        directory: where the supervisor records this container's life; made if absent.
        log: the CRI log file that stdout and stderr end up in; its directory is made if absent.
        log_max_bytes: it is begun anew when it has grown to this.
        log_max_files: that are kept of it, itself among them.
        stdin: whether there is something to read, see `Attach`; with `stdin_once` it ends when the
            first who attached to type leaves.
        tty: stdin, stdout and stderr are one terminal.
        terminating: a file to make in place of sending SIGTERM; empty for SIGTERM.
        oom_file: where the kernel counts how often it ended a process for want of memory, as
            `oom_kill <n>`; empty if it does not.
    """

    id: str
    runner: str
    directory: str
    log: str
    log_max_bytes: int = LOG_MAX_BYTES
    log_max_files: int = LOG_MAX_FILES
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    terminating: str = ""
    oom_file: str = ""


class End(msgspec.Struct, frozen=True):
    """How a container's process ended.

    Attributes:
        code: the guest's own exit code, or 128 + the signal that ended it.
        reason: `Completed`, `Error`, `OOMKilled`, `StartError`: words of a terminated container's
            status.
        message: what the runner had to say, a trap's back-trace for one; may be empty.
        at: Unix seconds.
    """

    code: int
    reason: str
    message: str
    at: float


# kubelet → supervisor ------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """The first message of a connection; everything known is told in return."""

    protocol: int


class Start(Message, frozen=True):
    """Start a container; its sealed payload rides along as the only descriptor."""

    launch: Launch


class Stop(Message, frozen=True):
    """SIGTERM now, SIGKILL after `grace_s`; said again, the earlier deadline counts."""

    id: str
    grace_s: float


class Execute(Message, frozen=True):
    """Run one more process beside a container, which it does not outlive, nor this connection.

    Descriptors: its sealed payload, then stdin, stdout and stderr; or one terminal with `tty`.
    Answered by `Started` or `Refused`, and later `Executed`, of `id`.
    """

    id: str
    within: str
    runner: str
    tty: bool = False


class Attach(Message, frozen=True):
    """Have what a container prints copied, from now on, and be lent what it reads from.

    Descriptors: where stdout and stderr are copied to. Answered by `Attached`, or `Refused`.
    """

    id: str
    container: str
    stdin: bool


class EndInput(Message, frozen=True):
    """Who typed into a container has left; matters where `stdin_once` holds."""

    container: str


class Forget(Message, frozen=True):
    """The kubelet has noted this container's end for good, or will not ask for it."""

    id: str


class Quit(Message, frozen=True):
    """Kill every container, then end."""


# supervisor → kubelet ------------------------------------------------------------------------


class Welcome(Message, frozen=True):
    """Answers `Hello` after one `Known` for each container."""

    protocol: int
    pid: int


class Known(Message, frozen=True):
    """A container the supervisor runs, or has seen end without being told to forget it."""

    id: str
    pid: int
    started_at: float
    end: End | None


class Started(Message, frozen=True):
    id: str
    pid: int
    at: float


class Refused(Message, frozen=True):
    """A `Start` that came to nothing."""

    id: str
    why: str


class Ended(Message, frozen=True):
    id: str
    end: End


class Executed(Message, frozen=True):
    """What an `Execute` started is over."""

    id: str
    end: End


class Attached(Message, frozen=True):
    """Answers `Attach`; where it was asked for and there is one, the container's stdin to write to
    comes along: a pipe, or its terminal."""

    id: str
    tty: bool


# supervisor ↔ log pump -----------------------------------------------------------------------


class Pump(Message, frozen=True):
    """Carry the descriptors that ride along into a log until they end: the pipes of stdout and
    stderr, or one terminal. The file is begun anew at `max_bytes`; `max_files` of them are kept."""

    id: str
    log: str
    max_bytes: int = LOG_MAX_BYTES
    max_files: int = LOG_MAX_FILES


class Tee(Message, frozen=True):
    """Copy what a container prints, as it is and from now on, to the descriptors that ride along:
    one for each of its streams. They are closed when these end, or are not read for long."""

    id: str


class Drained(Message, frozen=True):
    """All of its pipes have ended and what they held is in the log."""

    id: str


AnyMessage = (
    Hello
    | Start
    | Stop
    | Execute
    | Attach
    | EndInput
    | Forget
    | Quit
    | Welcome
    | Known
    | Started
    | Refused
    | Ended
    | Executed
    | Attached
    | Pump
    | Tee
    | Drained
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AnyMessage)


def send(to: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message, and copies of `descriptors` with it.

    Raises:
        BlockingIOError: `to` is non-blocking and full; nothing was sent.
        OSError: the other side is gone.
    """
    socket.send_fds(to, [_encoder.encode(message)], list(descriptors), socket.MSG_NOSIGNAL)


def receive(source: socket.socket) -> tuple[AnyMessage, list[int]] | None:
    """The next message and the descriptors that came with it (now ours to close); None at the end.

    Raises:
        BlockingIOError: `source` is non-blocking and has nothing for us.
        ProtocolError: what came is no message of ours.
    """
    try:
        data, descriptors, flags, _ = socket.recv_fds(
            source, MAX_MESSAGE_BYTES, _MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionResetError:
        return None
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ProtocolError("a message, or what came with it, was too much to take")
        if data:
            return _decoder.decode(data), descriptors
    except (msgspec.MsgspecError, ProtocolError) as exc:
        close_all(descriptors)
        raise ProtocolError(str(exc)) from exc
    close_all(descriptors)
    return None


def close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class ProtocolError(Exception):
    """The other side speaks something else; its connection is of no use."""
