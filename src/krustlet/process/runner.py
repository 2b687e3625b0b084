"""The seam between keeping processes and what runs in them.

A `Runner` is named in a `Launch` by import path, prepared once in the zygote, and used once in
each child. It knows nothing of supervisors, and the supervisor nothing of what it runs.
"""

import importlib
import os
from collections.abc import Callable
from typing import Annotated, NoReturn, Protocol, cast

import msgspec

START_ERROR_CODE = 128  # what runc's callers report for a container that never ran
START_ERROR = "StartError"
ERROR = "Error"
REPORT_BYTES = 4096  # one write of at most PIPE_BUF bytes is whole or absent
_MESSAGE_BYTES = 3800  # leaves room for the rest of a report
_CODE_LIMIT = 1 << 31  # a container's status has 32 bits for it; a report can come from a guest


class Runner(Protocol):
    """What turns a child process into a running container."""

    def prepare(self) -> None:
        """Import and build all that children share. Runs once, in the zygote; starts no thread."""

    def load(self, payload: bytes) -> Callable[["Reporter"], NoReturn]:
        """Open what needs the node's own rights (files that only root reads), before the walls.

        The result is called behind the walls and ends the process: with `os._exit`, or through
        the reporter. Threads may begin only there. What it printed has to be out by then, as
        nothing is flushed.
        """


class Report(msgspec.Struct, frozen=True):
    """What a child tells of its end beyond the exit status, which has room for eight bits."""

    code: Annotated[int, msgspec.Meta(ge=-_CODE_LIMIT, lt=_CODE_LIMIT)]
    reason: str
    message: str


class Reporter:
    """The child's way to say how it ended. Guests cannot reach it: it is no preopened file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def end(self, code: int, *, reason: str = ERROR, message: str = "") -> NoReturn:
        """End this process with `code`, after telling the supervisor why.

        Args:
            code: of 32 bits; told in full, although an exit status has room for eight of them.
            reason: a word of a terminated container's status.
            message: cut short if it is longer than a termination message may be.
        """
        text = message.encode(errors="replace")[:_MESSAGE_BYTES].decode(errors="ignore")
        os.write(self._descriptor, _encode(Report(code, reason, text)))
        os._exit(code & 0xFF)


_encode = msgspec.msgpack.Encoder().encode
decode_report = msgspec.msgpack.Decoder(Report).decode


def import_runner(spec: str) -> Runner:
    """The runner at `module:attribute`, made; of `module:attribute=text`, made with `text`.

    Raises:
        ImportError: no such module, or the module has no such attribute.
    """
    path, has_text, text = spec.partition("=")
    module, _, attribute = path.partition(":")
    try:
        make = getattr(importlib.import_module(module), attribute)
    except AttributeError as exc:
        raise ImportError(f"runner {path!r}: {exc}") from exc
    return cast(Runner, make(text) if has_text else make())
