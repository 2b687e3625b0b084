"""What the query of a request for logs asks for. Pure.

Source: kubernetes pkg/kubelet/server/server.go `getContainerLogs`, the conversions of
k8s.io/apimachinery `runtime/conversion.go`, and `ValidatePodLogOptions`. `stream` is read as with
the feature gate PodLogsQuerySplitStreams.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from krustlet.base import Instant
from krustlet.objects import TimestampError, from_rfc3339
from krustlet.process import LogOptions

_STREAMS: Final = {"All": "", "Stdout": "stdout", "Stderr": "stderr"}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FRACTION: Final = re.compile(r"\.([0-9]+)", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)
_NS: Final = 1_000_000_000
_NO_TIME: Final = ("", "null")  # older clients wrote them for "none"


class QueryUnreadable(ValueError):
    """A value is not of its type."""


class QueryInvalid(ValueError):
    """The values are no sensible ones, or do not go together."""


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a container's log.

    Attributes:
        previous: of the run before.
        follow: until it ends.
    """

    options: LogOptions
    previous: bool = False
    follow: bool = False


def read_query(query: Mapping[str, str], *, now: Instant) -> LogQuery:
    """What `query` asks for; of a repeated value the first counts, what is unknown does not.

    Raises:
        QueryUnreadable: a number is none, or a time.
        QueryInvalid: they are, and mean nothing.
    """
    tail = query.get("tail", "")  # its name before Kubernetes 1.0
    tail_lines = None if tail == "all" else _integer(tail or query.get("tailLines"))
    limit_bytes = _integer(query.get("limitBytes"))
    since_s = _integer(query.get("sinceSeconds"))
    since_time = query.get("sinceTime")
    since_ns = _time_ns(since_time)
    stream = query.get("stream", "All")
    if (tail_lines is not None and tail_lines < 0) or (limit_bytes is not None and limit_bytes < 1):
        raise QueryInvalid("a count is too small")
    if since_s is not None and (since_s < 1 or since_time is not None):
        raise QueryInvalid("sinceSeconds is too small, or one time too many")
    if stream not in _STREAMS or (_STREAMS[stream] and tail_lines is not None):
        raise QueryInvalid("no such stream, or its end cannot be told")
    if since_s is not None:
        since_ns = int(now * _NS) - since_s * _NS
    options = LogOptions(
        tail_lines=tail_lines,
        since_ns=since_ns,
        timestamps=_is_true(query.get("timestamps")),
        limit_bytes=limit_bytes,
        stream=_STREAMS[stream],
    )
    return LogQuery(
        options=options,
        previous=_is_true(query.get("previous")),
        follow=_is_true(query.get("follow")),
    )


def _integer(text: str | None) -> int | None:
    if text is None:
        return None
    if _INTEGER.fullmatch(text) is None or (number := int(text)) not in _INT64:
        raise QueryUnreadable(f"{text!r} is no number")
    return number


def _is_true(text: str | None) -> bool:
    """Everything is, but absence and two words."""
    return text is not None and text != "0" and text.lower() != "false"


def _time_ns(text: str | None) -> int | None:
    if text is None or text in _NO_TIME:
        return None
    fraction = _FRACTION.search(text)
    try:
        seconds = from_rfc3339(_FRACTION.sub("", text, count=1))
    except TimestampError as exc:
        raise QueryUnreadable(exc.message) from exc
    digits = fraction.group(1) if fraction is not None else ""
    return round(seconds) * _NS + int(f"{digits:0<9.9}")
