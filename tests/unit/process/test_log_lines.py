"""How output becomes the lines of a CRI log, and how they are read again."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.process.logfile import LogEntry, parse_entry
from krustlet.process.loglines import Lines, timestamp

LONGEST = 16 * 1024
FORMAT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] .*", re.DOTALL)


def entries(
    *chunks: bytes, over: bool = True, is_terminal: bool = False
) -> list[tuple[bytes, bytes]]:
    """Tag and text of what a log holds after `chunks` were read, and the stream's end."""
    stream = Lines(b"stdout", is_terminal=is_terminal)
    written = b"".join(map(stream.split, chunks)) + (stream.rest() if over else b"")
    assert written == b"" or written.endswith(b"\n")
    found = []
    for line in written.split(b"\n")[:-1]:
        assert FORMAT.fullmatch(line), line
        tag, text = line.split(b" ", 3)[2:]
        found.append((tag, text))
    return found


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([b"a\n"], [(b"F", b"a")], id="one-line"),
        pytest.param([b"a\nb\n"], [(b"F", b"a"), (b"F", b"b")], id="two-at-once"),
        pytest.param([b"\n\n"], [(b"F", b""), (b"F", b"")], id="empty-lines"),
        pytest.param([b"a", b"b", b"\n"], [(b"F", b"ab")], id="a-line-in-pieces"),
        pytest.param([b"a\nb", b"c\n"], [(b"F", b"a"), (b"F", b"bc")], id="begun-with-another"),
        pytest.param([b"a\nb"], [(b"F", b"a"), (b"P", b"b")], id="no-newline-at-the-end"),
        pytest.param([b"a \r\n"], [(b"F", b"a \r")], id="space-and-return-are-kept"),
        pytest.param([b"\0\xff\n"], [(b"F", b"\0\xff")], id="any-byte"),
    ],
)
def test_lines(chunks: list[bytes], expected: list[tuple[bytes, bytes]]) -> None:
    assert entries(*chunks) == expected


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([b"a\r\nb\r\n"], [(b"F", b"a"), (b"F", b"b")], id="whole-lines"),
        pytest.param([b"a\r", b"\nb"], [(b"F", b"a"), (b"P", b"b")], id="cut-in-the-middle"),
        pytest.param([b"\r\n"], [(b"F", b"")], id="an-empty-line"),
        pytest.param([b"10%\r20%\r\n"], [(b"F", b"10%\r20%")], id="one-that-is-written-over"),
        pytest.param([b"a\r\r\n"], [(b"F", b"a\r")], id="a-return-that-was-printed"),
        pytest.param([b"a\r"], [(b"P", b"a\r")], id="no-newline-at-the-end"),
    ],
)
def test_what_a_terminal_adds_is_left_out(
    chunks: list[bytes], expected: list[tuple[bytes, bytes]]
) -> None:
    assert entries(*chunks, is_terminal=True) == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        pytest.param(LONGEST - 1, [(b"F", LONGEST - 1)], id="shorter"),
        pytest.param(LONGEST, [(b"F", LONGEST)], id="as-long-as-may-be"),
        pytest.param(LONGEST + 1, [(b"P", LONGEST), (b"F", 1)], id="one-more"),
        pytest.param(2 * LONGEST, [(b"P", LONGEST), (b"F", LONGEST)], id="twice"),
        pytest.param(
            2 * LONGEST + 1, [(b"P", LONGEST), (b"P", LONGEST), (b"F", 1)], id="twice-and-more"
        ),
    ],
)
@pytest.mark.parametrize("step", [1000, 4096, LONGEST, 100_000])
def test_long_lines_are_cut_where_containerd_cuts_them(
    length: int, expected: list[tuple[bytes, int]], step: int
) -> None:
    line = b"x" * length + b"\n"
    chunks = [line[at : at + step] for at in range(0, len(line), step)]
    assert [(tag, len(text)) for tag, text in entries(*chunks)] == expected
    without_end = [chunk.rstrip(b"\n") for chunk in chunks]
    assert [(tag, len(text)) for tag, text in entries(*without_end)] == [
        *expected[:-1],
        (b"P", expected[-1][1]),
    ]


def test_a_line_is_shown_once_it_is_complete() -> None:
    assert entries(b"a\nb", over=False) == [(b"F", b"a")]


def test_a_line_as_long_as_may_be() -> None:
    line = b"x" * LONGEST
    assert entries(line + b"\n") == [(b"F", line)]
    assert entries(line, b"\n") == [(b"F", line)]


def test_a_longer_line_is_in_pieces() -> None:
    line = b"x" * LONGEST + b"y" * LONGEST + b"z"
    pieces = [(b"P", b"x" * LONGEST), (b"P", b"y" * LONGEST), (b"F", b"z")]
    assert entries(line + b"\n") == pieces
    assert entries(b"before\n" + line + b"\nafter\n") == [
        (b"F", b"before"),
        *pieces,
        (b"F", b"after"),
    ]


def test_a_line_without_end_is_not_waited_for() -> None:
    shown = entries(*[b"x" * 10_000] * 10, over=False)
    assert sum(len(text) for _, text in shown) > 100_000 - LONGEST - 1
    assert {tag for tag, _ in shown} == {b"P"}


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_nothing_is_lost_however_it_is_cut(output: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(output)]
    chunks = [output[a:b] for a, b in itertools.pairwise(edges) if a < b]
    shown = entries(*chunks)
    assert b"".join(text + (b"\n" if tag == b"F" else b"") for tag, text in shown) == output


@given(st.lists(st.tuples(st.sampled_from([b"", b"\n"]), st.integers(0, 3 * LONGEST)), max_size=6))
def test_no_entry_is_longer_than_may_be(parts: list[tuple[bytes, int]]) -> None:
    chunks = [b"x" * length + end for end, length in parts]
    shown = entries(*chunks)
    assert all(len(text) <= LONGEST for _, text in shown)
    output = b"".join(text + (b"\n" if tag == b"F" else b"") for tag, text in shown)
    assert output == b"".join(chunks)


def test_the_streams_are_told_apart() -> None:
    assert b" stderr F a\n" in Lines(b"stderr").split(b"a\n")


@pytest.mark.parametrize(
    ("at_ns", "expected"),
    [
        (0, b"1970-01-01T00:00:00.000000000Z"),
        (1_700_000_000_000_000_001, b"2023-11-14T22:13:20.000000001Z"),
        (1_999_999_999_999_999_999, b"2033-05-18T03:33:19.999999999Z"),
    ],
)
def test_times_sort_as_text(at_ns: int, expected: bytes) -> None:
    assert timestamp(at_ns) == expected


def test_an_entry_is_read_as_it_was_written() -> None:
    full = parse_entry(b"2023-11-14T22:13:20.000000001Z stdout F a b  c ")
    assert full == LogEntry(b"2023-11-14T22:13:20.000000001Z", "stdout", b"a b  c \n")
    part = parse_entry(b"2023-11-14T22:13:20.000000001Z stderr P ")
    assert part == LogEntry(b"2023-11-14T22:13:20.000000001Z", "stderr", b"")


@pytest.mark.parametrize(
    "line", [b"", b"torn", b"a b c", b"2023 stdin F text", b"2023 stdout X text"]
)
def test_what_is_no_entry_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"entry|unpack"):
        parse_entry(line)
