"""What is left when a container cannot be made: nothing."""

import errno
import os
from pathlib import Path

import pytest

from krustlet.process import Launch
from krustlet.process.launcher import Launcher
from tests.support.processes import descriptors
from tests.support.toy_runner import ToyRunner


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return Launch("a", "toy", str(tmp_path / "run"), str(tmp_path / "log"))


def no_room() -> int:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def no_fork() -> int:
    raise AssertionError("it was not to get so far")


def test_a_fork_that_fails(monkeypatch: pytest.MonkeyPatch, launch: Launch) -> None:
    before = descriptors()
    monkeypatch.setattr(os, "fork", no_room)
    with pytest.raises(BlockingIOError):
        Launcher(last_descriptor=1000).start(launch, ToyRunner(), 0)
    assert descriptors() == before
    assert list(Path(launch.directory).iterdir()) == []


def test_a_record_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, launch: Launch) -> None:
    before = descriptors()
    Path(launch.directory).write_text("")
    monkeypatch.setattr(os, "fork", no_fork)
    with pytest.raises(NotADirectoryError):
        Launcher(last_descriptor=1000).start(launch, ToyRunner(), 0)
    assert descriptors() == before


@pytest.mark.parametrize("room", range(6))
def test_the_last_descriptors_are_for_those_who_stop_containers(
    monkeypatch: pytest.MonkeyPatch, launch: Launch, room: int
) -> None:
    before = descriptors()
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    monkeypatch.setattr(os, "fork", no_fork)
    with pytest.raises(OSError, match="Too many open files"):
        Launcher(last_descriptor=free + room - 1).start(launch, ToyRunner(), 0)
    assert descriptors() == before
    assert not Path(launch.directory).exists()
