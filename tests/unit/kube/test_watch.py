"""Events come out of a stream as they went in, wherever the network cuts it."""

from itertools import cycle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.kube import ApiError, Gone, UnreadableAnswer, WatchType
from krustlet.kube.watch import BrokenLine, LineSplitter, decode_event
from krustlet.objects import Pod

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=12)


def an_event(kind: str, /, **fields: object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": fields})


def a_pod_event(kind: str, name: str, version: str) -> bytes:
    return an_event(kind, metadata={"name": name, "resourceVersion": version})


@given(lines=LINES, sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_lines_are_the_same_wherever_they_are_cut(lines: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()

    seen: list[bytes] = []
    for size in cycle(sizes):
        seen += splitter.feed(stream[:size])
        stream = stream[size:]
        if not stream:
            break

    assert seen == [line for line in lines if line]


def test_a_line_without_its_end_is_never_seen() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b'{"type":"ADDED"}') == []
    assert splitter.feed(b"") == []


def test_a_long_line_costs_no_more_than_its_bytes() -> None:
    splitter = LineSplitter()
    for _ in range(200_000):  # copied each time, this would be 200 GB
        assert splitter.feed(b"x" * 10) == []
    assert [len(line) for line in splitter.feed(b"\n")] == [2_000_000]


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
def test_an_event_carries_its_object_and_where_to_go_on(kind: str) -> None:
    event = decode_event(a_pod_event(kind, "web", "7"), Pod)

    assert event is not None
    assert isinstance(event.object, Pod)
    assert (event.type, event.object.name, event.resource_version) == (kind, "web", "7")


def test_a_bookmark_carries_no_object() -> None:
    event = decode_event(a_pod_event("BOOKMARK", "", "9"), Pod)

    assert event is not None
    assert (event.type, event.object, event.resource_version) == (WatchType.BOOKMARK, None, "9")


def test_a_sort_of_event_that_is_new_to_us_is_passed_over() -> None:
    assert decode_event(a_pod_event("ARCHIVED", "web", "7"), Pod) is None


def test_a_version_that_is_too_old_is_gone() -> None:
    told = {"kind": "Status", "message": "too old resource version: 1 (5)", "reason": "Expired"}
    with pytest.raises(Gone, match="too old") as caught:
        decode_event(an_event("ERROR", **told, code=410), Pod)
    assert (caught.value.status, caught.value.api_reason) == (410, "Expired")


def test_any_other_end_says_why() -> None:
    line = an_event("ERROR", kind="Status", message="etcd is away", code=500)
    with pytest.raises(ApiError, match="etcd is away") as caught:
        decode_event(line, Pod)
    assert caught.value.status == 500


@pytest.mark.parametrize("line", [b"<html>", b'{"type":"ADDED","object":{"meta', b"\xff\xfe"])
def test_what_is_no_json_breaks_the_stream(line: bytes) -> None:
    with pytest.raises(BrokenLine):
        decode_event(line, Pod)


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b'{"object":{}}',
        b'{"type":"ADDED","object":{"metadata":{"name":4}}}',
        b'{"type":"ADDED","object":"pod"}',
    ],
)
def test_what_is_no_object_of_the_kind_is_told_apart_from_a_broken_stream(line: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        decode_event(line, Pod)
