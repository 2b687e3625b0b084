"""Build a Go module of ours into one binary, once.

Leaves which Go does it to `go_toolchain.py`.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.support.go_toolchain import GoError, Toolchain

_BUILD_LIMIT_S: Final = 30 * 60.0
_REPORT_EVERY_S: Final = 15.0
_LOCK_POLL_S: Final = 0.5
# Stamping would have every commit of this tree build everything again.
_BUILD_FLAGS: Final = ("-trimpath", "-buildvcs=false")
_NO_DEBUG_INFO: Final = "-s -w"


class GoModule(msgspec.Struct, frozen=True):
    """A Go module of ours that one binary is built from.

    Attributes:
        binary: its name.
        programs: the names it can be called by, too.
    """

    sources: Path
    binary: str
    programs: tuple[str, ...]

    def version_of(self, required: str) -> str | None:
        """Which version of another module it asks for, if it does."""
        asked = re.search(
            rf"^\s*(?:require )?{re.escape(required)} (v\S+)$",
            (self.sources / "go.mod").read_text(),
            re.MULTILINE,
        )
        return asked[1] if asked else None

    def flags(self) -> tuple[str, ...]:
        """What `go build` is told."""
        return (*_BUILD_FLAGS, "-ldflags", " ".join((_NO_DEBUG_INFO, *self._version())))

    def _version(self) -> Iterator[str]:
        """Linker flags, as the programs of Kubernetes do not know their version by themselves."""
        if (version := self.version_of("k8s.io/kubernetes")) is None:
            return
        major, minor, _patch = version.removeprefix("v").split(".")
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            yield f"-X {package}.gitVersion={version}"
            yield f"-X {package}.gitMajor={major}"
            yield f"-X {package}.gitMinor={minor}"

    def key(self, go: Toolchain) -> str:
        """Alike for what would be built alike."""
        digest = hashlib.sha256("\0".join((go.version, *self.flags())).encode())
        sources = (self.sources / "go.mod", self.sources / "go.sum", *self.sources.glob("*.go"))
        for source in sorted(sources):
            content = source.read_bytes()
            digest.update(f"\0{source.name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def build(self, directory: Path, go: Toolchain) -> None:
        """The binary is in `directory` by each of its names; it may have been already.

        Raises:
            GoError: it does not build, or takes for ever, or there is no Go.
        """
        cache = directory.parent
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one_builder(cache / "lock"):
            if directory.exists():  # another process built it while we waited
                return
            for leftover in cache.glob(".part-*"):  # of a build that was killed
                shutil.rmtree(leftover)
            self._build(directory, go)

    def _build(self, directory: Path, go: Toolchain) -> None:
        with tempfile.TemporaryDirectory(prefix=".part-", dir=directory.parent) as part:
            into = Path(part) / "programs"
            into.mkdir()
            _go_build(self, go, into / self.binary)
            for name in set(self.programs) - {self.binary}:
                (into / name).symlink_to(self.binary)
            into.rename(directory)


def _go_build(module: GoModule, go: Toolchain, into: Path) -> None:
    """Build `module` at the lowest priority: it takes every core for minutes."""
    _report(
        f"Building {', '.join(module.programs)} with {go.version}; the first time takes minutes"
    )
    started_at = time.monotonic()
    build = subprocess.Popen(
        ["nice", "-n", "19", go.command(), "build", "-v", *module.flags(), "-o", into, "."],
        cwd=module.sources,
        env={**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # one group with the compilers, so that they end together
    )
    limit = threading.Timer(_BUILD_LIMIT_S, _end, [build])
    limit.start()
    try:
        last_words = _follow(build, started_at)
        if build.wait() != 0:
            raise GoError(
                f"{module.sources} does not build, after {time.monotonic() - started_at:.0f} s"
                f" of at most {_BUILD_LIMIT_S:.0f}:\n{last_words}"
            )
    finally:
        limit.cancel()
        _end(build)
    size_mb = into.stat().st_size / 1e6
    _report(f"  {size_mb:.0f} MB, {time.monotonic() - started_at:.0f} s")


def _follow(build: "subprocess.Popen[str]", started_at: float) -> str:
    """Read what the build says until it says no more, and count: it names what it compiles.

    Returns:
        The last lines of it.
    """
    assert build.stderr is not None
    last_words: deque[str] = deque(maxlen=40)
    reported_at = started_at
    with build.stderr as lines:
        for count, line in enumerate(lines):
            last_words.append(line)
            if (now := time.monotonic()) - reported_at > _REPORT_EVERY_S:
                _report(f"  {count} packages, {now - started_at:.0f} s")
                reported_at = now
    return "".join(last_words)


def _end(build: "subprocess.Popen[str]") -> None:
    if build.poll() is None:
        os.killpg(build.pid, signal.SIGKILL)
        build.wait()


@contextmanager
def _only_one_builder(lock: Path) -> Iterator[None]:
    deadline = time.monotonic() + _BUILD_LIMIT_S
    with lock.open("w") as held:  # closing it lets go of the lock
        waits = False
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise GoError(f"another process keeps {lock} for too long") from None
            if not waits:
                _report("Waiting for another process that builds with Go")
                waits = True
            time.sleep(_LOCK_POLL_S)
        yield


def _report(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
