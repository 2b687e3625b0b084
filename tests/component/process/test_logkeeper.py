"""A pump that cannot be started is tried again, and keeps nobody from anything."""

import errno
import fcntl
import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.process.containers import Container
from krustlet.process.logkeeper import LogKeeper
from krustlet.process.messages import Launch
from tests.support.processes import children, descriptors

LIMIT_S = 20.0


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
    assert time.monotonic() - begun < 30
    assert children() == []
    keeper.pid = 0


# copies -------------------------------------------------------------------------------------------


class Printed:
    """A container as the keeper of logs sees it, which prints what the test writes."""

    def __init__(self, directory: Path) -> None:
        out, err = os.pipe(), os.pipe()
        self.ends = out[1], err[1]
        self.container = Container(
            Launch("a", "", "", str(directory / "0.log")),
            pid=0,
            started_at=0.0,
            streams=(out[0], err[0]),
            input_=None,
            report=-1,
        )

    def over(self) -> None:
        for end in self.ends:
            os.close(end)
        self.container.close_streams()


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[Printed]:
    printed = Printed(tmp_path)
    yield printed
    printed.over()


def attach(keeper: LogKeeper) -> int:
    """Where a copy of stdout can be read."""
    reads, writes = os.pipe()
    keeper.tee("a", (writes, writes))
    os.close(writes)
    return reads


def is_at_end(copy: int) -> bool:
    ready, _, _ = select.select([copy], [], [], LIMIT_S)
    return bool(ready) and os.read(copy, 1) == b""


def test_a_copy_ends_with_the_pump_that_makes_it_and_another_can_be_had(
    keeper: LogKeeper, printed: Printed
) -> None:
    keeper.start(())
    keeper.take(printed.container)
    copy = attach(keeper)
    os.write(printed.ends[0], b"first\n")
    assert os.read(copy, 100) == b"first\n"
    os.kill(keeper.pid, signal.SIGKILL)
    os.waitpid(keeper.pid, 0)
    keeper.died()
    assert is_at_end(copy)
    os.close(copy)
    copy = attach(keeper)  # there is no pump, but one is due
    keeper.start([printed.container])
    os.write(printed.ends[0], b"second\n")
    assert os.read(copy, 100) == b"second\n"
    os.close(copy)


def test_who_waits_for_a_pump_that_hangs_is_not_kept_for_ever(
    keeper: LogKeeper, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("krustlet.process.logkeeper._LAST_WORDS_S", 0.1)
    monkeypatch.setattr("krustlet.process.logkeeper._become_pump", sleep_on)
    keeper.start(())
    before = len(descriptors())
    reads, writes = os.pipe()
    for _ in range(1000):
        keeper.tee("a", (writes, writes))
    os.close(writes)
    assert len(descriptors()) - before < 500
    assert "the log pump hangs, so that nobody can be attached to a" in capfd.readouterr().err
    keeper.close()
    assert is_at_end(reads)
    os.close(reads)
    keeper.pid = 0


def test_without_room_for_it_there_is_no_copy_and_nothing_is_left_of_it(
    keeper: LogKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.start(())
    before = descriptors()
    room = 1

    def duplicate(descriptor: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        room -= 1
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 0)

    monkeypatch.setattr(os, "dup", duplicate)
    copy = attach(keeper)
    assert is_at_end(copy)
    os.close(copy)
    assert descriptors() == before
