"""Tell the service manager how its service is, and that it is still alive.

Owns the words of sd_notify and the watchdog. Leaves to `node.py` when there is something to tell.
Without a service manager that wants to know, all of it does nothing.

Source: systemd's sd_notify(3), sd_watchdog_enabled(3), and systemd.service(5), `Type=`.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, MutableMapping
from typing import Final, Self

import structlog

_SOCKET: Final = "NOTIFY_SOCKET"
_INTERVAL: Final = "WATCHDOG_USEC"
_WATCHED: Final = "WATCHDOG_PID"

_TICKS: Final = 3  # within the interval of the watchdog, so that it may miss one
_UNWATCHED_TICK_S: Final = 10.0
_EXTENSION: Final = 3  # ticks that a start may take longer than it was given; told with each tick
_US: Final = 1_000_000
_ABSTRACT: Final = "@"
_DIGITS: Final = 20  # of a number of 64 bits
_LONGEST: Final = 500  # characters of a status: it is one line in `systemctl status`

Send = Callable[[bytes], None]
"""Gives one message away at once, or raises OSError."""

log = structlog.get_logger(__name__)


class ServiceManager:
    """What started this process, if it wants to be told of it. Never waits for it, nor fails."""

    def __init__(self, send: Send | None = None, *, watchdog_s: float | None = None) -> None:
        """Keep what it is given.

        Args:
            send: None: nobody listens.
            watchdog_s: after so much silence it takes the service for dead; None: it never does.
        """
        self._send = send
        self._is_watched = watchdog_s is not None
        self._tick_s = watchdog_s / _TICKS if watchdog_s else _UNWATCHED_TICK_S
        self._owed: dict[str, str] = {}
        self._usual = ""
        self._is_starting = True
        self._is_deaf = False
        self._was_healthy = True

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """As the environment says; afterwards it says nothing any more, so no child answers too."""
        address = environment.pop(_SOCKET, "")
        interval = environment.pop(_INTERVAL, "")
        watched = environment.pop(_WATCHED, "")
        if not address:
            return cls()
        is_meant = not watched or watched == str(os.getpid())
        is_number = interval.isdecimal() and len(interval) <= _DIGITS
        is_watched = is_meant and is_number and int(interval) > 0
        return cls(_sender(address), watchdog_s=int(interval) / _US if is_watched else None)

    def ready(self, status: str) -> None:
        """The service does what it is for; whoever waits for its start waits no longer."""
        self._is_starting = False
        self._usual = _line(status)
        self._tell(READY="1", STATUS=self._usual)

    def status(self, text: str) -> None:
        """One line for people: what it does now, or what it waits for; empty: that is over, and
        what it said when it last was ready, or had reloaded, is true again."""
        self._tell(STATUS=_line(text) or self._usual)

    def reloading(self) -> None:
        """The settings are being read again; `reloaded` must follow, whatever comes of it."""
        if self._is_starting:
            return  # else what ends the reload would be taken for the end of the start
        self._tell(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def reloaded(self, status: str) -> None:
        """That is over, and `status` says what came of it."""
        self._usual = _line(status)
        ended = {} if self._is_starting else {"READY": "1"}
        self._tell(**ended, STATUS=self._usual)

    def stopping(self, status: str) -> None:
        """The service ends because it was told to, or has to."""
        self._tell(STOPPING="1", STATUS=_line(status))

    async def keep_watch(self, healthy: Callable[[], bool] = lambda: True) -> None:
        """Say for ever that the service lives: this loop runs, and it is `healthy`.

        Until it is `ready`, ask for more time as well: it may have to wait for the API server, or
        for somebody's approval, for as long as that takes.

        Args:
            healthy: false where only a restart can help; then nothing is said. Asked often, and
                must not block.
        """
        if self._send is None:
            return
        while True:
            self._tell(**self._signs_of_life(is_healthy=healthy()))
            await asyncio.sleep(self._tick_s)

    def _signs_of_life(self, *, is_healthy: bool) -> dict[str, str]:
        if self._was_healthy and not is_healthy:
            log.error("service.hangs", then="the watchdog, if there is one, restarts it")
        self._was_healthy = is_healthy
        if not is_healthy:
            return {}
        signs = {"WATCHDOG": "1"} if self._is_watched else {}
        if self._is_starting:
            signs["EXTEND_TIMEOUT_USEC"] = str(int(self._tick_s * _EXTENSION * _US))
        return signs

    def _tell(self, **facts: str) -> None:
        """Send `facts` now, or, where they cannot be, with what is told next.

        What was said then and is said now may stand in one message: systemd reads RELOADING with
        READY as a reload that is over.
        """
        if self._send is None:
            return
        self._owed |= facts
        if not self._owed:
            return
        message = "\n".join(f"{name}={value}" for name, value in self._owed.items())
        try:
            self._send(message.encode())
        except OSError as exc:
            self._owed.pop("WATCHDOG", None)  # that it lived then is of no use later
            self._note_deafness(exc)
        else:
            self._owed = {}
            self._is_deaf = False

    def _note_deafness(self, error: OSError) -> None:
        if not self._is_deaf:
            log.warning(
                "service.manager_not_told",
                error=error.strerror or str(error),
                then="it is told as soon as it listens; the node goes on",
            )
        self._is_deaf = True


def _sender(address: str) -> Send:
    """Sends to a datagram socket: at a path, or, after an `@`, of an abstract name.

    It may be another one tomorrow, so each message finds it anew; and it may be full, or gone.
    """
    to = "\0" + address[1:] if address.startswith(_ABSTRACT) else address

    def send(message: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(message, to)

    return send


def _line(text: str) -> str:
    """What a line of the protocol can hold: a second one would be another fact."""
    return " ".join(text.split())[:_LONGEST]
