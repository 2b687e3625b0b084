"""A service manager that listens, and does nothing about what it hears."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

_LONGEST: Final = 64 * 1024
_END: Final = b""


class Heard(msgspec.Struct, frozen=True):
    """One message, and when it came, on the monotonic clock."""

    at: float
    facts: Mapping[str, str]


class ListeningManager:
    """Hears what a service tells it. As `with listening(directory) as manager`.

    Attributes:
        environment: what a service finds there that is to tell it something.
        on_ready: called with word of READY, before anything else is heard.
    """

    def __init__(self, listener: socket.socket, path: Path, *, watchdog_s: float) -> None:
        self._listener = listener
        self._heard: list[Heard] = []
        self.on_ready: Callable[[], None] = lambda: None
        self.environment = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
        }

    def listen(self) -> None:
        while message := self._listener.recv(_LONGEST):
            facts = dict(line.split("=", 1) for line in message.decode().split("\n"))
            if "READY" in facts:
                self.on_ready()
            self._heard.append(Heard(time.monotonic(), facts))

    def heard(self, *facts: str) -> list[Heard]:
        """Every message so far that has one of these."""
        return [one for one in tuple(self._heard) if not one.facts.keys().isdisjoint(facts)]

    def words(self) -> str:
        """All that it was told for people, in order."""
        return "\n".join(one.facts["STATUS"] for one in self.heard("STATUS"))


@contextmanager
def listening(directory: Path, *, watchdog_s: float) -> Iterator[ListeningManager]:
    """One that listens in `directory`; see `watchdog_s` of `ServiceManager`."""
    path = directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        manager = ListeningManager(listener, path, watchdog_s=watchdog_s)
        thread = threading.Thread(target=manager.listen, name="service manager")
        thread.start()
        try:
            yield manager
        finally:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as last:
                last.sendto(_END, str(path))
            thread.join()
            path.unlink()
