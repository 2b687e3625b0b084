"""Messages as bytes: other versions, and other programs, see them."""

import msgspec
import pytest

from krustlet.process.messages import (
    MAX_MESSAGE_BYTES,
    AnyMessage,
    End,
    Ended,
    Forget,
    Hello,
    Known,
    Launch,
    Pump,
    Start,
    Stop,
    Tee,
    Welcome,
)

END = End(137, "Error", "x" * 4096, 1.5)
MESSAGES = [
    Hello(1),
    Start(Launch("a" * 300, "module:Runner", "/d" * 2000, "/l" * 2000)),
    Stop("a", 0.5),
    Forget("a"),
    Welcome(1, 2),
    Known("a", 2, 1.5, END),
    Ended("a", END),
    Pump("a", "/l" * 2000, max_bytes=2**60, max_files=10**6),
    Tee("a" * 300),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_and_fits(message: AnyMessage) -> None:
    data = msgspec.msgpack.encode(message)
    assert msgspec.msgpack.decode(data, type=AnyMessage) == message
    assert len(data) < MAX_MESSAGE_BYTES


def test_the_greeting_stays_as_it_is() -> None:
    """Whatever else changes between versions: they have to find out that they differ."""
    assert msgspec.msgpack.encode(Hello(1)) == b"\x82\xa4type\xa5Hello\xa8protocol\x01"
    welcome = b"\x83\xa4type\xa7Welcome\xa8protocol\x01\xa3pid\x02"
    assert msgspec.msgpack.encode(Welcome(1, 2)) == welcome
