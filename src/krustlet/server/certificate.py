"""A serving certificate of the node's own, for want of one that somebody signed.

Owns `<root>/pki`. It is kept over restarts, as somebody may have come to trust it.
"""

import ipaddress
import os
import ssl
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from krustlet.base import make_private_directory, write_atomically
from krustlet.certificates import Crafting, NewOwnPair, here

_DIRECTORY: Final = "pki"
_CERTIFICATE: Final = "kubelet.crt"
_KEY: Final = "kubelet.key"
_VALID: Final = timedelta(days=365)
_RENEW: Final = timedelta(days=30)  # before its end


class Serving(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


def self_signed(root: Path, hosts: Iterable[str], *, crafting: Crafting = here) -> Serving:
    """The certificate below `root` for exactly `hosts`, made anew if what is there will not do.

    Args:
        hosts: names and addresses.
        crafting: how it is made, if need be.

    Raises:
        CraftFailed: it cannot be made for now; see `krustlet.certificates.patiently`.
        OSError: it cannot be kept there.
    """
    directory = make_private_directory(root / _DIRECTORY)
    directory.chmod(0o700)
    serving = Serving(directory / _CERTIFICATE, directory / _KEY)
    wanted = sorted({_canonical(host) for host in hosts})
    if not _is_good(serving, wanted):
        _make(serving, wanted, crafting)
    return serving


def _is_good(serving: Serving, wanted: list[str]) -> bool:
    """Whether it is whole, for these hosts, and for some time yet.

    The standard library reads what it takes for an authority; that spares the node `cryptography`.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*serving)
        context.load_verify_locations(serving.certificate)
        (certificate,) = context.get_ca_certs(binary_form=False)
        os.chmod(serving.key, 0o600)
    except (OSError, ValueError):  # absent, torn, or not ours
        return False
    alternatives: Any = certificate.get("subjectAltName", ())  # pairs of kind and name
    names = [_canonical(name) for _, name in alternatives]
    ends_at = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return sorted(names) == wanted and ends_at - time.time() > _RENEW.total_seconds()


def _make(serving: Serving, hosts: list[str], crafting: Crafting) -> None:
    pair = crafting(NewOwnPair(tuple(hosts), _VALID.total_seconds()))
    # A crash in between leaves two that do not belong together: they are made anew.
    write_atomically(serving.key, pair.key, durable=True)
    write_atomically(serving.certificate, pair.certificate, durable=True)


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()
