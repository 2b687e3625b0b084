"""Where this node is reached, when nobody has said so."""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from krustlet.base import KrustletError

# Of no host (RFC 5737, RFC 3849), so the way to them is the default route.
_ELSEWHERE: Final = ("192.0.2.1", "2001:db8::1")
_ANY_PORT: Final = 443


class NodeAddressUnknown(KrustletError):
    """This machine has no address that others could use."""

    def __init__(self) -> None:
        super().__init__(
            "this machine has no address that pods could be reached at",
            hint="name one with --node-ip",
        )


def address_towards(server: str) -> str:
    """The address this machine has for the way to `server`, a URL; nothing is sent.

    That of the default route where the server is on this machine itself, as pods must not have a
    loopback address: the API server refuses it in endpoints.

    Raises:
        NodeAddressUnknown: there is no way to anywhere.
    """
    parts = urlsplit(server)
    for host in (parts.hostname or "", *_ELSEWHERE):
        address = _own_address_towards(host, parts.port or _ANY_PORT)
        if address and not ipaddress.ip_address(address).is_loopback:
            return address
    raise NodeAddressUnknown


def _own_address_towards(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError:
        return ""
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.connect(address)
                return str(probe.getsockname()[0]).partition("%")[0]
        except OSError:
            continue
    return ""
