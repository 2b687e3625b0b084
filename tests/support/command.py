"""Call the `krustlet` command as a person does, and see what it leaves behind."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.support.processes import GONE

KRUSTLET: Final = (sys.executable, "-m", "krustlet")
_LIMIT_S: Final = 60.0


class Result(msgspec.Struct, frozen=True):
    """How a command ended, and all it said."""

    code: int
    stdout: str
    stderr: str


class Command:
    """The command line with a data directory of its own.

    Called from a directory of its own too, so that relative paths in tests mean something.
    """

    def __init__(self, directory: Path, *, prefix: Sequence[str] = ()) -> None:
        """Keep what it is given.

        Args:
            directory: where the command is called.
            prefix: words before the command, as `setpriv …` or `unshare …`.
        """
        self.directory = directory
        self.data = directory / "data"
        self._prefix = tuple(prefix)

    def __call__(self, *arguments: str | Path, stdin: str = "", **env: str) -> Result:
        done = subprocess.run(
            [*self._prefix, *KRUSTLET, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.environment(env),
            timeout=_LIMIT_S,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def start(self, *arguments: str | Path, **env: str) -> "Iterator[subprocess.Popen[str]]":
        """Begin a command whose end the test does not wait for just yet; killed at the latest when
        the block is left, so that a test that fails in it does not hang."""
        process = subprocess.Popen(
            [*self._prefix, *KRUSTLET, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=self.environment(env),
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """What the command finds in its environment: ours, its data directory, and `env`."""
        return {**os.environ, "KRUSTLET_DATA_DIR": str(self.data), **env}

    def leftovers(self) -> list[str]:
        """Processes and run directories of commands that have ended; empty if all is well."""
        runs = [str(path) for path in self.data.glob("runs/*")]
        parts = [str(path) for path in self.data.glob("cache/**/.*")]
        return [*processes_with(str(self.data)), *runs, *parts]


def processes_with(text: str) -> list[str]:
    """The command lines of running processes that `text` occurs in; containers have that of
    their supervisor."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except GONE:
            continue  # it ended meanwhile
        if text in line:
            found.append(f"{process.name}: {line}")
    return found


def processes_writing_below(directory: Path) -> list[int]:
    """The processes whose stderr is a file below `directory`: a node's supervisor and all that
    came of it, whose command lines name no directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stderr = os.readlink(process / "fd" / "2")
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
        if stderr.startswith(f"{directory}/"):
            found.append(int(process.name))
    return found
