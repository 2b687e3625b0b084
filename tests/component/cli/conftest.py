"""The command line, called as a person calls it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.guests import Guests
from tests.support.until import until_not


@pytest.fixture
def krustlet(tmp_path: Path) -> Iterator[Command]:
    """A command that must leave nothing behind, whatever the test does with it."""
    command = Command(tmp_path)
    yield command
    until_not(command.leftovers)


@pytest.fixture
def module(tmp_path: Path, guests: Guests) -> "Modules":
    """Guest modules under their own names, in the directory the command is called in."""
    return Modules(tmp_path, guests)


class Modules:
    """Puts guests where a test wants them."""

    def __init__(self, directory: Path, guests: Guests) -> None:
        self._directory = directory
        self._guests = guests

    def __call__(self, name: str) -> str:
        """The file name of guest `name`, relative to the command's directory."""
        link = self._directory / f"{name}.wasm"
        if not link.exists():
            link.symlink_to(self._guests.path(name))
        return link.name


@pytest.fixture
def slow(krustlet: Command) -> str:
    """The file name of a module that takes a second or more to compile, and then ends at once."""
    step = "(i32.store (local.get 0) (i32.mul (i32.load (local.get 0)) (i32.const {number})))\n"
    body = "".join(step.format(number=number) for number in range(100_000))
    text = f'(module (memory (export "memory") 1) (func (export "_start") (local i32)\n{body}))'
    (krustlet.directory / "slow.wat").write_text(text)
    return "slow.wat"
