"""On SIGHUP, read the settings again and put in force what can be while the node runs.

Owns what has changed, and telling of what needs a restart. Leaves reading to the command line, and
putting in force to appliers, each with the rooms it knows. Files whose content changes
(certificates, authorities, registries' credentials) are no matter of this: whoever uses them looks.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec
import structlog

from krustlet.base import KrustletError
from krustlet.kubelet.service_manager import ServiceManager
from krustlet.settings import ClusterSettings, Settings

OF_THE_NODE: Final = frozenset(
    {
        "max_pods",
        "system_reserved",
        "kube_reserved",
        "eviction_hard",
        "status_every_s",
        "report_every_s",
        "status_max_images",
        "lease_duration_s",
    }
)
"""What a Node says of itself, or how often: nothing else was made of it when the node started."""

_TERMINAL: Final = "/dev/tty"

S = TypeVar("S", Settings, ClusterSettings)
Both = tuple[Settings, ClusterSettings]
Load = Callable[[], Both]
"""Reads them as they are now, or raises KrustletError; called in a thread."""

log = structlog.get_logger(__name__)


class Applier(msgspec.Struct, frozen=True):
    """Puts some settings in force while the node runs.

    Attributes:
        names: of the fields that it takes.
        prepare: looks at new settings, and returns what puts them in force. May raise
            KrustletError; what it returns must not.
    """

    names: frozenset[str]
    prepare: Callable[[Settings, ClusterSettings], Callable[[], None]]


class Reload(msgspec.Struct, frozen=True):
    """What has changed, by the names of fields: what can be put in force, and what only later."""

    applied: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not (self.applied or self.needs_restart):
            return "the settings were read again: nothing has changed"
        parts = []
        if self.applied:
            parts.append(f"now in force: {', '.join(self.applied)}")
        if self.needs_restart:
            parts.append(f"only after a restart: {', '.join(self.needs_restart)}")
        return f"the settings were read again: {'; '.join(parts)}"


def changes(old: Both, new: Both, live: Set[str]) -> Reload:
    """What is other in `new`, in alphabetical order; `live` can be put in force."""
    changed = sorted(
        name
        for before, after in zip(old, new, strict=True)
        for name in before.__struct_fields__
        if getattr(before, name) != getattr(after, name)
    )
    return Reload(
        applied=tuple(name for name in changed if name in live),
        needs_restart=tuple(name for name in changed if name not in live),
    )


class Reloader:
    """Keeps a node by its settings, as far as that goes without a restart."""

    def __init__(
        self, in_force: Both, *, load: Load, appliers: Sequence[Applier], manager: ServiceManager
    ) -> None:
        self._in_force = in_force
        self._load = load
        self._appliers = appliers
        self._manager = manager
        self._live: frozenset[str] = frozenset().union(*(one.names for one in appliers))
        self._asked = asyncio.Event()

    @property
    def in_force(self) -> Both:
        """The settings that count now: what has not changed, and what needed no restart."""
        return self._in_force

    def ask(self) -> None:
        """Read them again soon; asked twice before that, they are read once."""
        self._asked.set()

    async def run(self) -> None:
        """Read them again at each SIGHUP, until cancelled."""
        with _hearing_of_hangups(self.ask):
            while True:
                await self._asked.wait()
                self._asked.clear()
                await self._reload()

    async def _reload(self) -> None:
        self._manager.reloading()
        outcome = "the settings could not be read again; all is as it was"
        try:
            outcome = str(await self._read_and_apply())
        except (KrustletError, OSError) as exc:
            hint = exc.hint if isinstance(exc, KrustletError) else ""
            log.error("node.not_reloaded", error=str(exc), hint=hint, then="all is as it was")
        finally:
            self._manager.reloaded(outcome)

    async def _read_and_apply(self) -> Reload:
        new = await asyncio.to_thread(self._load)
        found = changes(self._in_force, new, self._live)
        wanted = _with(self._in_force, new, found.applied)
        # All or nothing: the first that is refused leaves the others as they were, too.
        puts = [
            applier.prepare(*wanted)
            for applier in self._appliers
            if not applier.names.isdisjoint(found.applied)
        ]
        for put_in_force in puts:
            put_in_force()
        self._in_force = wanted
        log.info("node.reloaded", applied=list(found.applied))
        if found.needs_restart:
            log.warning(
                "node.needs_a_restart",
                settings=list(found.needs_restart),
                hint="restart the node: its containers go on meanwhile",
            )
        return found


def _with(old: Both, new: Both, names: Sequence[str]) -> Both:
    return _taken(old[0], new[0], names), _taken(old[1], new[1], names)


def _taken(old: S, new: S, names: Sequence[str]) -> S:
    fields = {name: getattr(new, name) for name in names if name in old.__struct_fields__}
    return msgspec.structs.replace(old, **fields)


@contextmanager
def _hearing_of_hangups(then: Callable[[], None]) -> Iterator[None]:
    """SIGHUP calls `then`, and afterwards nothing: a node that ends must not be killed by it.

    Where the node was started from a terminal and that is gone, it is what it was made for: word
    of a hang-up. The node ends then, as it has nobody left to log to.
    """
    loop = asyncio.get_running_loop()
    had_terminal = _has_terminal()

    def hung_up() -> None:
        if had_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            then()

    # Not by `loop.add_signal_handler`: the loop, when it is closed, would have SIGHUP kill again.
    signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(hung_up))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, lambda *_: None)  # not SIG_IGN, which every child would keep


def _has_terminal() -> bool:
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
