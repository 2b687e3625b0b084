"""Where this node is reached: as it was told, or as the machine's routes say. Nothing is sent.

Owns finding that out again and again, as addresses come and go. Leaves telling the cluster of
them to the room `node`.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from krustlet.base import KrustletError

# Of no host (RFC 5737, RFC 3849), so the way to them is the default route.
_ELSEWHERE: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
_DEFAULT_ROUTE: Final = {"0.0.0.0": 4, "::": 6}  # noqa: S104 - what stands for the address of it
_TOWARDS_SERVER: Final = ""
_ANY_PORT: Final = 443
# One that stays, not one of those for privacy that change daily: RFC 5014, linux/in6.h.
_STABLE_SOURCE: Final = (socket.IPPROTO_IPV6, 72, 0x0002)  # IPV6_ADDR_PREFERENCES, SRC_PUBLIC
_RESOLVE_EVERY_S: Final = 300.0
_RESOLVE_AGAIN_S: Final = 30.0  # where a name has no address


class NodeAddressUnknown(KrustletError):
    """This machine has no address that others could use."""

    def __init__(self) -> None:
        super().__init__(
            "this machine has no address that pods could be reached at",
            hint="name one with --node-ip",
        )


class Routes(Protocol):
    """What the machine knows of the network."""

    def resolve(self, host: str) -> list[str]:
        """The addresses of a host; none where nobody knows. May take a while."""

    def source(self, address: str) -> str:
        """The machine's own address on the way to `address`; empty where there is no way."""


class HostAddresses:
    """The node's addresses as they are now. Any thread may ask.

    Args:
        asked: addresses to take as they are; `0.0.0.0` and `::` stand for the one that the default
            route of their family has. None at all: the one that leads to the API server, or, as
            that may be on this machine itself and pods must not have a loopback address, that of
            the default route.
        server: URL of the API server.
    """

    def __init__(self, asked: Sequence[str], server: str, *, routes: Routes | None = None) -> None:
        self._asked = tuple(asked) or (_TOWARDS_SERVER,)
        self._routes = routes or SystemRoutes()
        self._server = _Name(urlsplit(server).hostname or "", self._routes)
        self._known: dict[str, str] = {}

    def current(self) -> tuple[str, ...]:
        """One for each that was asked for; the last known one while the machine has none.

        Only the first call waits for a name to be resolved.

        Raises:
            NodeAddressUnknown: it had none so far.
        """
        for asked in self._asked:
            if found := self._find(asked):
                self._known[asked] = found
        if len(self._known) < len(self._asked):
            raise NodeAddressUnknown
        return tuple(self._known[asked] for asked in self._asked)

    def _find(self, asked: str) -> str:
        if asked == _TOWARDS_SERVER:
            return self._towards_server()
        if (family := _DEFAULT_ROUTE.get(asked)) is not None:
            return self._on_default_route(family)
        return asked

    def _towards_server(self) -> str:
        targets = self._server.addresses()
        sources = list(filter(None, map(self._routes.source, targets)))
        known = self._known.get(_TOWARDS_SERVER)
        if targets and not sources and known is not None:
            return known  # what leads elsewhere is no better while that way is gone
        # A node does not change its family only because one of them is gone for a moment.
        families = (4, 6) if known is None else (ipaddress.ip_address(known).version,)
        ours = (one for one in sources if ipaddress.ip_address(one).version in families)
        return next(filter(_is_reachable, ours), "") or next(
            filter(None, map(self._on_default_route, families)), ""
        )

    def _on_default_route(self, family: int) -> str:
        found = self._routes.source(_ELSEWHERE[family])
        return found if found and _is_reachable(found) else ""


def _is_reachable(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast)


class _Name:
    """The addresses of a host. Asked again in a thread, as that may take long when DNS is away."""

    def __init__(self, host: str, routes: Routes) -> None:
        self._host = host
        self._routes = routes
        self._found: list[str] = []
        self._due_at: float | None = None
        self._asking = threading.Lock()

    def addresses(self) -> list[str]:
        """Those that were found last."""
        if self._due_at is None:
            with self._asking:
                self._ask()
        elif time.monotonic() >= self._due_at and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask_again, name="node.address", daemon=True).start()
        return self._found

    def _ask_again(self) -> None:
        try:
            self._ask()
        finally:
            self._asking.release()

    def _ask(self) -> None:
        found = self._routes.resolve(self._host)
        self._found = found or self._found
        self._due_at = time.monotonic() + (_RESOLVE_EVERY_S if found else _RESOLVE_AGAIN_S)


class SystemRoutes:
    """Those of this machine."""

    def resolve(self, host: str) -> list[str]:
        try:
            found = socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM)
        except OSError:
            return []  # nobody knows the name just now
        return [str(address[0]) for *_, address in found]

    def source(self, address: str) -> str:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(*_STABLE_SOURCE)
                probe.connect((address, _ANY_PORT))  # of a datagram socket: sends nothing
                return str(probe.getsockname()[0]).partition("%")[0]
        except OSError:
            return ""  # no way there
