"""Programs in the background, which end with this process in whatever way it ends.

Owns starting them, what they say, and stopping them. Leaves to the caller when one is ready.
"""

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, TypeVar

from tests.support.processes import BACKGROUND

T = TypeVar("T")

_READY_POLL_S: Final = 0.05
_KILLED_S: Final = 10.0  # from SIGKILL to gone
_LOOPBACK: Final = "127.0.0.1"

# The kernel ends a child with the *thread* that forked it, and a test may call from one of an
# executor that is gone in a moment. This one lasts as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


class ChildError(Exception):
    """A program did not start, or ended when nobody asked it to; says its last words."""


class Child:
    """A program that runs in the background, and can be started again once it was stopped."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what it is given.

        Args:
            log: all it says goes there, after what it said when it was started before.
            environment: all that it finds there; as here, if none is given.
        """
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        assert self._process is None, f"{self.name} runs already"
        self._process = _starter.submit(self._popen).result()
        BACKGROUND.add(self._process.pid)

    def _popen(self) -> "subprocess.Popen[bytes]":
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ChildError("needs setpriv: install the package util-linux")
        with self.log.open("ab") as log:
            return subprocess.Popen(
                # What `preexec_fn` could do as well, if it were safe where there are threads.
                [setpriv, "--pdeathsig", "KILL", "--", *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to answer: they stop in order
            )

    def check(self) -> None:
        """Nothing, unless it ended though nobody asked it to.

        Raises:
            ChildError: it did.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ChildError(f"{self.name} ended with code {code}{self.tail()}")

    def stop(self, *, grace_s: float) -> int | None:
        """It is gone: by itself within `grace_s`, or else killed. Its exit code, if it ran."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_KILLED_S)
        BACKGROUND.discard(self._process.pid)
        code = self._process.returncode
        self._process = None
        return code

    def wait(self, *, within_s: float) -> int:
        """The exit code of one that is to end by itself."""
        assert self._process is not None, f"{self.name} was not started"
        code = self._process.wait(within_s)
        BACKGROUND.discard(self._process.pid)
        self._process = None
        return code

    def tail(self, lines: int = 20) -> str:
        """The last it said, and where the rest is."""
        said = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"; the last of {self.log}:", *said[-lines:]])


def wait_until(is_ready: Callable[[], bool], *, children: Sequence[Child], within_s: float) -> None:
    """Wait for what `children` do together.

    Raises:
        ChildError: it was not ready, or one of them ended meanwhile.
    """
    deadline = time.monotonic() + within_s
    while not is_ready():
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            words = "".join(f"\n{child.name}{child.tail()}" for child in children)
            raise ChildError(f"not ready within {within_s:.0f} s{words}")
        time.sleep(_READY_POLL_S)


@contextmanager
def reserved_port(host: str = _LOOPBACK) -> Iterator[int]:
    """A port, on loopback if nothing else is said, that stays ours while no program listens on it.

    Whoever listens has to set SO_REUSEPORT: then it does not mind a socket of the same user that
    is bound but never listens.
    """
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
        yield port


class EitherWay(Generic[T]):
    """A context manager that blocks: for `with`, or, in a thread of its own, for `async with`."""

    def __init__(self, manager: AbstractContextManager[T]) -> None:
        self._manager = manager

    def __enter__(self) -> T:
        return self._manager.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._manager.__exit__(kind, error, trace)

    async def __aenter__(self) -> T:
        return await asyncio.to_thread(self._manager.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await asyncio.to_thread(self._manager.__exit__, kind, error, trace)
