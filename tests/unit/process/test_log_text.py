"""How the entries of a log become text again."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.process.logtext import LogOptions, LogText

TIME = b"2023-11-14T22:13:%02d.000000000Z"
AT_20_NS = 1_700_000_000_000_000_000

entries_of_two_streams = st.lists(
    st.tuples(
        st.sampled_from(["stdout", "stderr"]),
        st.sampled_from("FP"),
        st.text(alphabet="ab FP", max_size=8),
    ),
    max_size=12,
)


def an_entry(text: str, *, at: int = 20, stream: str = "stdout", tag: str = "F") -> bytes:
    return b"%s %s %s %s\n" % (TIME % at, stream.encode(), tag.encode(), text.encode())


def a_log(entries: list[tuple[str, str, str]]) -> bytes:
    return b"".join(an_entry(text, stream=stream, tag=tag) for stream, tag, text in entries)


def text_of(log: bytes, *, cuts: tuple[int, ...] = (), **options: Any) -> bytes:
    """All of it, read in chunks that are cut at `cuts`."""
    text = LogText(LogOptions(**options))
    edges = [0, *sorted(cuts), len(log)]
    added = [text.add(log[a:b]) for a, b in itertools.pairwise(edges) if a < b]
    return b"".join(added) + text.release()


def test_whole_lines_are_shown_as_they_were_printed() -> None:
    assert text_of(an_entry("a b ") + an_entry("") + an_entry("c")) == b"a b \n\nc\n"


def test_pieces_become_a_line_again() -> None:
    log = an_entry("a", tag="P") + an_entry("b", tag="P") + an_entry("c") + an_entry("d")
    assert text_of(log) == b"abc\nd\n"


def test_a_line_in_pieces_has_one_time_and_that_is_of_its_first() -> None:
    log = an_entry("a", at=1, tag="P") + an_entry("b", at=2) + an_entry("c", at=3)
    assert text_of(log, timestamps=True) == b"%s ab\n%s c\n" % (TIME % 1, TIME % 3)


def test_a_line_of_the_other_stream_comes_after_one_that_is_in_pieces() -> None:
    log = an_entry("a", tag="P") + an_entry("err", stream="stderr") + an_entry("b")
    assert text_of(log) == b"ab\nerr\n"
    assert text_of(log, timestamps=True) == b"%s ab\n%s err\n" % (TIME % 20, TIME % 20)


def test_what_ends_without_a_newline_is_shown_without() -> None:
    assert text_of(an_entry("a") + an_entry("b", tag="P")) == b"a\nb"


def test_a_line_that_never_ends_does_not_hold_the_other_stream_back_for_ever() -> None:
    text = LogText(LogOptions())
    shown = text.add(an_entry("begun", tag="P"))
    for _ in range(100):
        shown += text.add(an_entry("x" * 8000, stream="stderr"))
    assert shown.startswith(b"begun\nxxx")
    shown += text.release()
    assert shown.count(b"\n") == 101


def test_after_patience_the_other_streams_lines_begin_on_their_own() -> None:
    text = LogText(LogOptions())
    assert text.add(an_entry("begun", tag="P") + an_entry("err", stream="stderr")) == b"begun"
    assert text.holds
    assert text.release() == b"\nerr\n"
    assert text.release() == b""
    assert text.add(an_entry("rest")) == b"rest\n"


def test_an_unfinished_entry_is_waited_for() -> None:
    text = LogText(LogOptions())
    entry = an_entry("hello")
    assert text.add(entry[:45]) == b""
    assert text.add(entry[45:] + an_entry("next")[:3]) == b"hello\n"


def test_torn_entries_are_left_out() -> None:
    log = an_entry("a") + b"2023-11-14T22:13\n\n" + an_entry("b")
    assert text_of(log) == b"a\nb\n"
    assert text_of(log, timestamps=True) == b"%s a\n%s b\n" % (TIME % 20, TIME % 20)


def test_other_times_than_the_pumps_are_read_too() -> None:
    assert text_of(b"2023-11-14T22:13:20Z stdout F a\n") == b"a\n"


def test_only_what_is_not_older_is_shown() -> None:
    log = b"".join(an_entry(str(at), at=at) for at in range(10))
    since_ns = AT_20_NS - 13_000_000_000
    assert text_of(log, since_ns=since_ns) == b"7\n8\n9\n"
    assert text_of(log, since_ns=since_ns + 1) == b"8\n9\n"
    assert text_of(log, since_ns=-1) == text_of(log)


def test_one_stream_can_be_shown_alone() -> None:
    log = an_entry("out") + an_entry("err", stream="stderr") + an_entry("P", tag="P")
    assert text_of(log, stream="stdout") == b"out\nP"
    assert text_of(log, stream="stderr") == b"err\n"


def test_something_endless_that_is_no_log_takes_no_memory() -> None:
    text = LogText(LogOptions())
    for _ in range(100):
        assert text.add(b"x" * 100_000) == b""
    assert text.add(b"\n" + an_entry("a")) == b"a\n"


@given(
    entries_of_two_streams,
    st.tuples(*[st.integers(0, 400)] * 3),
    st.booleans(),
    st.sampled_from(["", "stdout", "stderr"]),
)
def test_the_text_does_not_depend_on_how_the_log_is_cut(
    entries: list[tuple[str, str, str]], cuts: tuple[int, ...], timestamps: bool, stream: str
) -> None:
    log = a_log(entries)
    options: dict[str, Any] = {"timestamps": timestamps, "stream": stream}
    assert text_of(log, cuts=cuts, **options) == text_of(log, **options)


@given(entries_of_two_streams)
def test_no_byte_of_either_stream_is_lost(entries: list[tuple[str, str, str]]) -> None:
    for stream in ("stdout", "stderr"):
        printed = "".join(t + "\n" * (tag == "F") for s, tag, t in entries if s == stream)
        assert text_of(a_log(entries), stream=stream) == printed.encode()


@given(entries_of_two_streams)
def test_no_line_mixes_two_streams(entries: list[tuple[str, str, str]]) -> None:
    marked = [(s, tag, ("o" if s == "stdout" else "e") + text) for s, tag, text in entries]
    for line in text_of(a_log(marked)).split(b"\n"):
        assert not (b"o" in line and b"e" in line)


@pytest.mark.parametrize("timestamps", [False, True])
@given(entries_of_two_streams)
def test_each_line_has_one_time(timestamps: bool, entries: list[tuple[str, str, str]]) -> None:
    lines = text_of(a_log(entries), timestamps=timestamps).split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    assert all(line.count(b"2023-") == timestamps for line in lines)
