"""A pump that cannot be started is tried again, and keeps nobody from anything."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Iterator

import pytest

from krustlet.process.logkeeper import LogKeeper
from tests.support.processes import children, descriptors


@pytest.fixture
def keeper() -> Iterator[LogKeeper]:
    before = descriptors(), children()
    with selectors.DefaultSelector() as selector:
        keeper = LogKeeper(selector, on_drained=lambda _: None)
        yield keeper
        keeper.close()
    assert (descriptors(), children()) == before


def no_room(*_: object) -> int:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def sleep_on(_: socket.socket) -> None:
    time.sleep(60)
    os._exit(0)


@pytest.mark.parametrize(("where", "what"), [(os, "fork"), (socket, "socketpair")])
def test_without_room_for_a_pump_it_is_due_again_soon(
    keeper: LogKeeper, monkeypatch: pytest.MonkeyPatch, where: object, what: str
) -> None:
    monkeypatch.setattr(where, what, no_room)
    keeper.start(())
    assert keeper.pid == 0
    assert 0 < keeper.due_at - time.monotonic() <= 0.1


def test_a_pump_that_will_not_end_is_ended(
    keeper: LogKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("krustlet.process.logkeeper._LAST_WORDS_S", 0.1)
    monkeypatch.setattr("krustlet.process.logkeeper._become_pump", sleep_on)
    keeper.start(())
    assert len(children()) == 1
    begun = time.monotonic()
    keeper.close()
    assert time.monotonic() - begun < 2
    assert children() == []
    keeper.pid = 0
