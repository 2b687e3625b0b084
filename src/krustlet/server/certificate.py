"""A serving certificate of the node's own, for want of one that somebody signed.

Owns `<root>/pki`. It is kept over restarts, as somebody may have come to trust it.
"""

import ipaddress
import os
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from krustlet.base import make_private_directory, write_atomically

_DIRECTORY: Final = "pki"
_CERTIFICATE: Final = "kubelet.crt"
_KEY: Final = "kubelet.key"
_VALID: Final = timedelta(days=365)
_RENEW: Final = timedelta(days=30)  # before its end
_CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
_NAME: Final = "krustlet"


class Serving(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


def self_signed(root: Path, hosts: Iterable[str]) -> Serving:
    """The certificate below `root` for exactly `hosts`, made anew if what is there will not do.

    Args:
        hosts: names and addresses.

    Raises:
        OSError: it cannot be kept there.
    """
    directory = make_private_directory(root / _DIRECTORY)
    directory.chmod(0o700)
    serving = Serving(directory / _CERTIFICATE, directory / _KEY)
    wanted = sorted({_canonical(host) for host in hosts})
    if not _is_good(serving, wanted):
        _make(serving, wanted)
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


def _make(serving: Serving, hosts: list[str]) -> None:
    # Megabytes that a node needs once a year.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def general_name(host: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return x509.DNSName(host)

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,  # so that it can be trusted by itself
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER_BY)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([general_name(host) for host in hosts]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # A crash in between leaves two that do not belong together: they are made anew.
    write_atomically(serving.key, private, durable=True)
    write_atomically(
        serving.certificate, certificate.public_bytes(serialization.Encoding.PEM), durable=True
    )


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()
