"""Whom to believe when a registry shows its certificate, and who may do without one.

Owns the layout of the directory of certificates, which is Docker's. Leaves connecting to
`transport.py`.
"""

import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from yarl import URL

from krustlet.images.errors import RegistryUntrusted

_REMEMBERED_HOSTS: Final = 64  # a context weighs up to half a megabyte


class RegistrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How registries are spoken to.

    Attributes:
        insecure: `host:port`, or `host`, of those that need no valid certificate and may speak
            plain HTTP. They are tried with TLS first, as by Docker.
        certs_dir: `<host:port>/*.crt` are further authorities for that host, `*.cert` with `*.key`
            what we show to it; `*.crt` beside the directories are authorities for every host.
        connect_s: longest wait for a connection.
        stall_s: longest silence of a registry, not the time for a whole answer.

    Source: Docker's docs, "Verify repository client with certificates".
    """

    insecure: tuple[str, ...] = ()
    certs_dir: Path | None = None
    connect_s: float = 15.0
    stall_s: float = 30.0


class Trust:
    """Gives each host its TLS context; the files are read again when they have changed."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._insecure = frozenset(settings.insecure)
        self._directory = settings.certs_dir
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def is_insecure(self, host: str) -> bool:
        """Whether anything goes: `host` (with port, if any) was listed."""
        return host in self._insecure

    def may_be_plain(self, host: str) -> bool:
        """Whether plain HTTP will do, where no TLS is spoken: this machine is no network.

        Source: containerd `core/remotes/docker/registry.go`, `MatchLocalhost`.
        """
        return self.is_insecure(host) or is_loopback(host)

    def context(self, host: str) -> ssl.SSLContext:
        """The context for `host`, which may have a port. Reads files.

        Raises:
            RegistryUntrusted: a file in the directory of certificates is none.
        """
        if self.is_insecure(host):
            return self._remembered(("insecure",), [], [])
        authorities, pairs = list(self._authorities(host)), list(self._pairs(host))
        files = [*authorities, *(file for pair in pairs for file in pair)]
        try:
            key = tuple((str(file), file.stat().st_mtime_ns) for file in files)
            return self._remembered(key, authorities, pairs)
        except (ssl.SSLError, OSError) as exc:
            raise RegistryUntrusted(
                f"cannot use the certificates for {host} in {self._directory}: {exc}",
                hint="*.crt are authorities, *.cert our own certificate and *.key its key, all PEM",
            ) from exc

    def _remembered(
        self, key: tuple[object, ...], authorities: list[Path], pairs: list[tuple[Path, Path]]
    ) -> ssl.SSLContext:
        if (known := self._contexts.get(key)) is not None:
            return known
        context = ssl.create_default_context()
        if key == ("insecure",):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for file in authorities:
            context.load_verify_locations(cafile=file)
        for certificate, private_key in pairs:
            context.load_cert_chain(certificate, private_key)
        self._contexts[key] = context
        if len(self._contexts) > _REMEMBERED_HOSTS:
            del self._contexts[next(iter(self._contexts))]
        return context

    def _authorities(self, host: str) -> Iterator[Path]:
        if self._directory is not None:
            yield from sorted(self._directory.glob("*.crt"))
            yield from sorted(self._own(host, "*.crt"))

    def _pairs(self, host: str) -> Iterator[tuple[Path, Path]]:
        for certificate in sorted(self._own(host, "*.cert")):
            yield certificate, certificate.with_suffix(".key")

    def _own(self, host: str, pattern: str) -> Iterator[Path]:
        """Files of `host` alone, which a redirect may have named: it is no path."""
        if self._directory is not None and host.strip(".") and "/" not in host:
            yield from (self._directory / host).glob(pattern)


def host_of(url: URL) -> str:
    """`host` or `host:port`, as written; yarl's own `authority` adds ports and loses brackets."""
    host = (url.host_subcomponent or "").lower()
    return host if url.explicit_port is None else f"{host}:{url.explicit_port}"


def is_loopback(host: str) -> bool:
    """Whether `host`, with or without a port, is this machine itself."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name = host
    name = name.strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
