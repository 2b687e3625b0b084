"""What a request to execute something, or to attach, asks for. Pure.

Source: kubernetes `remotecommand.NewOptions` of the kubelet's streaming server, and
pkg/apis/core/types.go for the names.
"""

from typing import Final, Protocol

import msgspec

_YES: Final = "1"


class QueryIncomplete(ValueError):
    """The request asks for nothing; the text is for whoever sent it."""


class _Query(Protocol):
    def getall(self, key: str, default: list[str]) -> list[str]: ...


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to do with a process' streams.

    Attributes:
        command: to be executed; nothing where it is about attaching.
        tty: all three are to be a terminal.
        tells_code: told how an attached container ended, too; Kubernetes has no word for it.
    """

    command: tuple[str, ...]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    tells_code: bool = False


def read_stream_query(query: _Query) -> StreamQuery:
    """What `query` asks for.

    Raises:
        QueryIncomplete: none of the streams is wanted.
    """
    tty = _is_set(query, "tty")
    wanted = StreamQuery(
        command=tuple(query.getall("command", [])),
        stdin=_is_set(query, "input"),
        stdout=_is_set(query, "output"),
        stderr=_is_set(query, "error") and not tty,  # a terminal has none
        tty=tty,
        tells_code=_is_set(query, "exitCode"),
    )
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise QueryIncomplete("you must specify at least 1 of stdin, stdout, stderr")
    return wanted


def _is_set(query: _Query, name: str) -> bool:
    values = query.getall(name, [])
    return bool(values) and values[0] == _YES
