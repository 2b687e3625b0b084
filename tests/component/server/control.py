"""What people may do with pods, done by nobody: a test plays the process that they talk with."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import Pod


class Broken(KrustletError):
    """Nothing can be run."""


async def at_rest(count: Callable[[], int]) -> int:
    """What is counted, once that has begun and then stood still for half a second."""
    before = 0
    async with asyncio.timeout(60):
        while not before or count() != before:
            before = count()
            await asyncio.sleep(0.5)
    return before


class FakeSession:
    """A process that prints and ends as a test tells it.

    Attributes:
        typed: all that was typed, until now.
        reads: whether what is typed is taken; who types waits while it is not.
    """

    def __init__(self) -> None:
        self.typed = bytearray()
        self.is_input_over = False
        self.sizes: list[tuple[int, int]] = []
        self.is_closed = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.changed = asyncio.Condition()
        self.printed_bytes = 0
        self._outputs: dict[str, asyncio.Queue[bytes]] = {
            "stdout": asyncio.Queue(),
            "stderr": asyncio.Queue(),
        }
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    # the test's side --------------------------------------------------------------------------

    def prints(self, data: bytes, stream: str = "stdout") -> None:
        self._outputs[stream].put_nowait(data)

    def exits(self, code: int = 0) -> None:
        for output in self._outputs.values():
            output.put_nowait(b"")
        self._code.set_result(code)

    async def until(self, condition: Any) -> None:
        """Wait until `condition` holds of what people have done."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(condition)

    # the server's -----------------------------------------------------------------------------

    async def read(self, stream: str) -> bytes:
        data = await self._outputs[stream].get()
        self.printed_bytes += len(data)
        return data

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        self.typed += data
        await self._tell()

    def end_input(self) -> None:
        self.is_input_over = True
        self._tell_soon()

    def resize(self, *, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))
        self._tell_soon()

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def close(self) -> None:
        self.is_closed = True
        self._tell_soon()

    def _tell_soon(self) -> None:
        self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class FakeControl:
    """A `PodsControl`: notes what it is asked, and hands out sessions.

    Attributes:
        asked: in order.
        sessions: all that were begun.
        error: raised in place of doing anything.
        stopping, removing: what a stop or removal does; nothing at first.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.sessions: asyncio.Queue[FakeSession] = asyncio.Queue()
        self.error: KrustletError | None = None
        self.stopping: Any = lambda uid, container: None
        self.removing: Any = lambda pod: None

    async def execute(
        self, pod: Pod, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> FakeSession:
        return self._begin("execute", pod.name, container, list(command), stdin, tty)

    async def attach(self, pod: Pod, container: str, *, stdin: bool) -> FakeSession:
        return self._begin("attach", pod.name, container, stdin)

    def stop(self, uid: str, container: str | None, *, grace_s: float) -> None:
        self.asked.append(("stop", uid, container, grace_s))
        self.stopping(uid, container)

    async def remove(self, pod: Pod, *, grace_s: float) -> None:
        self.asked.append(("remove", pod.name, grace_s))
        if self.error is not None:
            raise self.error
        self.removing(pod)

    def _begin(self, *asked: Any) -> FakeSession:
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        session = FakeSession()
        self.sessions.put_nowait(session)
        return session

    async def session(self) -> FakeSession:
        """The next one that somebody begins."""
        async with asyncio.timeout(60):
            return await self.sessions.get()


def reading(pod: Pod, *, tty: bool = False) -> Pod:
    """The pod with containers that read what is typed."""
    containers = tuple(
        msgspec.structs.replace(container, stdin=True, tty=tty) for container in pod.spec.containers
    )
    return msgspec.structs.replace(
        pod, spec=msgspec.structs.replace(pod.spec, containers=containers)
    )
