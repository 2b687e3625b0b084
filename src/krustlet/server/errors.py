"""What can go wrong with the node's own API."""

from krustlet.base import KrustletError


class ServerError(KrustletError):
    """The node's API cannot be offered."""


class ListenFailed(ServerError):
    """Nobody can be heard at the address and port that were asked for."""


class LocalApiTaken(ServerError):
    """Another node serves the local API of this data directory."""


class CertificateUnusable(ServerError):
    """A certificate, its key, or the authority of clients cannot be read, or make no sense."""
