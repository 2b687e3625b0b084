"""The sockets of one HTTP client: how a dead peer is noticed, and that none outlives its client."""

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

if TYPE_CHECKING:  # whoever has no HTTP client need not load one
    import aiohttp

# A peer that vanished without a word is noticed after a minute of silence, and after half of one
# where it owes us an acknowledgement.
_PROBES: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_UNACKNOWLEDGED_MS: Final = ("TCP_USER_TIMEOUT", 30_000)

_TURN_S: Final = 0.001
_TURNS: Final = 1000  # where there are more, the loop has other troubles


class Sockets:
    """Makes them, and sees to their end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made: WeakSet[socket.socket] = WeakSet()

    def new(self, address: "aiohttp.AddrInfoType") -> socket.socket:
        """One that may be connected to `address`.

        Raises:
            OSError: there is no room for one.
        """
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (*_PROBES, _UNACKNOWLEDGED_MS):
            if (option := getattr(socket, name, None)) is not None:  # not every system has them all
                made.setsockopt(socket.IPPROTO_TCP, option, value)
        self._made.add(made)
        return made

    async def until_closed(self) -> None:
        """Whoever used them has closed them: now they are gone.

        That takes a loop some turns, and it may end before. With TLS the peer has to take its
        leave, too, for which it has half a minute: here it is taken to have done so.
        """
        for made in self._made:
            with suppress(OSError):  # it is closed already, or was never connected
                made.shutdown(socket.SHUT_RDWR)
        for _ in range(_TURNS):
            if all(made.fileno() < 0 for made in self._made):
                break
            await asyncio.sleep(_TURN_S)
