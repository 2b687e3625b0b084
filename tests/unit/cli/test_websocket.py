"""Frames, as they come in any pieces."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.cli.websocket import Frame, ProtocolBroken, WebSocket, accepted, frame, parse

BINARY = 2


def from_server(payload: bytes, opcode: int = BINARY, *, final: bool = True) -> bytes:
    """As `frame`, without the mask."""
    whole = bytearray(frame(opcode, payload))
    head = len(whole) - len(payload) - 4
    del whole[head : head + 4]
    whole[1] &= 0x7F
    if not final:
        whole[0] &= 0x7F
    return bytes(whole)


@pytest.fixture
def pair() -> Iterator[tuple[WebSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield WebSocket(ours), theirs


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_a_frame_says_how_long_it_is(size: int) -> None:
    data = from_server(b"x" * size)
    assert parse(data + b"more") == Frame(True, BINARY, b"x" * size, len(data))


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 40))
def test_messages_come_whole_in_whatever_pieces(messages: list[bytes], step: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection, got = WebSocket(ours), []
        stream = b"".join(map(from_server, messages))
        for start in range(0, len(stream), step):
            theirs.sendall(stream[start : start + step])
            got += list(connection.receive())
        assert got == messages
        assert connection.is_open


def test_what_was_read_with_the_handshake_counts() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = WebSocket(ours, early=from_server(b"early"))
        assert list(connection.receive()) == [b"early"]


def test_a_message_may_come_in_several_frames(pair: tuple[WebSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(from_server(b"one ", final=False))
    theirs.sendall(from_server(b"", opcode=9) + from_server(b"message", opcode=0))
    assert list(connection.receive()) == [b"one message"]


def test_a_ping_is_answered_with_what_it_says(pair: tuple[WebSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(from_server(b"are you there", opcode=9))
    assert list(connection.receive()) == []
    assert theirs.recv(100) == frame(10, b"are you there")


def test_the_end_is_answered(pair: tuple[WebSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(from_server(b"last") + from_server(b"\x03\xe8bye", opcode=8))
    assert list(connection.receive()) == [b"last"]
    assert not connection.is_open
    assert theirs.recv(100) == frame(8, b"\x03\xe8")


def test_whoever_hangs_up_has_said_what_came_before(pair: tuple[WebSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(from_server(b"last"))
    theirs.close()
    messages = [*connection.receive(), *connection.receive()]
    assert messages == [b"last"]
    assert not connection.is_open


def test_what_is_not_taken_waits(pair: tuple[WebSocket, socket.socket]) -> None:
    connection, theirs = pair
    data = b"x" * (4 << 20)
    connection.send(data)
    assert connection.unsent_bytes > 0
    taken = bytearray()
    while len(taken) < len(frame(BINARY, data)):
        taken += theirs.recv(1 << 20)
        connection.flush()
    assert (bytes(taken), connection.unsent_bytes) == (frame(BINARY, data), 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(BINARY, b"x"), id="masked"),
        pytest.param(b"\xc2\x00", id="compressed"),
        pytest.param(b"\x82\x7f" + b"\x7f" + b"\xff" * 7, id="endless"),
    ],
)
def test_what_no_server_may_send_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        parse(data)


def test_a_server_proves_itself_with_the_key() -> None:
    # RFC 6455, section 1.3
    assert accepted("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
