"""Have keys and certificates worked on by a process beside the node, which soon ends.

Owns when there is one, and what the node learns of its end. Leaves the process to `workshop.py`,
and what it does to `crafts.py`.

Source: `cryptography` takes 11 MB for as long as a process lives, and a node needs it once a day.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from hashlib import sha256
from typing import Final, ParamSpec, TypeVar, get_type_hints

import msgspec
import structlog

from krustlet.base import Backoff
from krustlet.certificates.crafts import Craft, ReadPem, ReadRequest
from krustlet.certificates.errors import CraftFailed
from krustlet.certificates.workshop import Workshop, WorkshopClosed

P = ParamSpec("P")
T = TypeVar("T")

_WITHIN_S: Final = 30.0  # a loaded machine may take seconds
_STAYS_S: Final = 5.0  # for a node that starts, and asks for several things in a row
# To the same question they give the same answer.
_READING: Final[frozenset[type]] = frozenset({ReadPem, ReadRequest})
_REMEMBERED: Final = 8  # files of a node: two certificates, and some that it has to judge

_RETRIES: Final = Backoff(initial_s=1.0, max_s=300.0)

log = structlog.get_logger(__name__)


class Apart:
    """A `Crafting` by processes of their own; what has been read once is remembered.

    One that has answered stays for some seconds, as starting another takes a tenth of one. It
    blocks until there is an answer; whoever is cancelled does not want to wait for that, see
    `patiently`.
    """

    def __init__(self, *, within_s: float = _WITHIN_S, stays_s: float = _STAYS_S) -> None:
        """Keep what it is given.

        Args:
            within_s: how long a process may take.
            stays_s: how long it may then be idle.
        """
        self._within_s = within_s
        self._stays_s = stays_s
        self._answers: dict[bytes, bytes] = {}
        self._idle: Workshop | None = None
        self._lock = threading.Lock()

    def __call__(self, craft: Craft[T], /) -> T:
        """What comes of it.

        Raises:
            CraftFailed: the process has not answered.
        """
        told = msgspec.msgpack.encode(craft)
        digest = sha256(told).digest()  # there may be a key in it
        answer = self._answers.get(digest) or self._answer_to(told)
        meant: type[T] = get_type_hints(craft.done)["return"]
        try:
            value = msgspec.msgpack.decode(answer, type=meant)
        except msgspec.DecodeError as exc:  # of another version, by an upgrade under the node
            raise CraftFailed("gave an answer that makes no sense") from exc
        if type(craft) in _READING:
            self._remember(digest, answer)
        return value

    def _remember(self, digest: bytes, answer: bytes) -> None:
        while len(self._answers) >= _REMEMBERED:
            self._answers.pop(next(iter(self._answers)), None)
        self._answers[digest] = answer

    def _answer_to(self, told: bytes) -> bytes:
        if (idle := self._put_idle(None)) is not None:
            with contextlib.suppress(WorkshopClosed):  # another one is as good
                return self._answer_of(idle, told)
        return self._answer_of(Workshop.open(stays_s=self._stays_s), told)

    def _answer_of(self, workshop: Workshop, told: bytes) -> bytes:
        """What it says; afterwards it is idle, or gone."""
        with _leash.get().on(workshop):
            answer = workshop.ask(told, within_s=self._within_s)
        if (spare := self._put_idle(workshop)) is not None:
            spare.close()
        return answer

    def _put_idle(self, workshop: Workshop | None) -> Workshop | None:
        """That one is idle from now on; who was before."""
        with self._lock:
            before, self._idle = self._idle, workshop
        return before


async def patiently(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` comes to, in a thread; tried again and again while a process it needs fails.

    Whoever is cancelled goes on when the thread has ended, which is soon: its process is killed.
    """
    failures = 0
    while True:
        try:
            return await _on_leash(lambda: work(*args, **kwargs))
        except CraftFailed as exc:
            failures += 1
            wait_s = _RETRIES.wait_s(failures + 1)
            log.warning(
                "certificate.craft_failed", reason=exc.message, hint=exc.hint, retry_in_s=wait_s
            )
            await asyncio.sleep(wait_s)


class _Leash:
    """What a piece of work waits for, to be killed when nobody wants the work any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Workshop | None = None
        self._is_cut = False

    @contextlib.contextmanager
    def on(self, workshop: Workshop) -> Iterator[None]:
        with self._lock:
            self._held = workshop
            if self._is_cut:
                workshop.kill()
        try:
            yield
        finally:
            with self._lock:
                self._held = None

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            if self._held is not None:
                self._held.kill()


_leash: ContextVar[_Leash] = ContextVar("_leash", default=_Leash())  # noqa: B039 - never cut
"""Threads see that of the task which has started them."""


async def _on_leash(work: Callable[[], T]) -> T:
    leash = _Leash()
    before = _leash.set(leash)
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    _leash.reset(before)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        leash.cut()
        raise
    finally:
        while not thread.done():
            with contextlib.suppress(asyncio.CancelledError):  # the first one is on its way
                await asyncio.wait([thread])
        thread.exception()  # that it was killed is nothing to whoever has gone
