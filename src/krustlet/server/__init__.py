"""The API of the node: HTTPS for the cluster, and a Unix socket for this machine.

Asks `pods` and changes none. What the command line needs to find the socket is loaded alone: it
starts without any HTTP server.
"""

from typing import TYPE_CHECKING, Any

from krustlet.base.lazy import load_on_demand
from krustlet.server.address import SOCKET_NAME, short_address

if TYPE_CHECKING:
    from krustlet.server.certificate import self_signed
    from krustlet.server.errors import (
        CertificateUnusable,
        ListenFailed,
        LocalApiTaken,
        ServerError,
    )
    from krustlet.server.listening import listen_on_port
    from krustlet.server.ports import Action, Check, PodsControl, PodsView, Reviewer
    from krustlet.server.reviewer import ApiReviewer
    from krustlet.server.server import Https, NodeServer

__all__ = [
    "SOCKET_NAME",
    "Action",
    "ApiReviewer",
    "CertificateUnusable",
    "Check",
    "Https",
    "ListenFailed",
    "LocalApiTaken",
    "NodeServer",
    "PodsControl",
    "PodsView",
    "Reviewer",
    "ServerError",
    "listen_on_port",
    "self_signed",
    "short_address",
]

_HOMES = {
    "Action": "ports",
    "ApiReviewer": "reviewer",
    "CertificateUnusable": "errors",
    "Check": "ports",
    "Https": "server",
    "ListenFailed": "errors",
    "LocalApiTaken": "errors",
    "NodeServer": "server",
    "PodsControl": "ports",
    "PodsView": "ports",
    "Reviewer": "ports",
    "ServerError": "errors",
    "listen_on_port": "listening",
    "self_signed": "certificate",
}


def __getattr__(name: str) -> Any:
    return load_on_demand(__name__, _HOMES)(name)
