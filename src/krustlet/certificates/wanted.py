"""Which certificate a node wants, and the request for it.

Pure. Leaves sending the request to `signing.py`.

Source: kubernetes pkg/kubelet/certificate/kubelet.go, pkg/apis/certificates/helpers.go.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from krustlet.certificates.errors import CertificateUnreadable
from krustlet.certificates.facts import (
    CLIENT_AUTH,
    SERVER_AUTH,
    CertificateFacts,
    RequestFacts,
    canonical_ip,
    tolerate_long_names,
)
from krustlet.objects import CLIENT_SIGNER, SERVING_SIGNER

GROUP: Final = "system:nodes"
"""The organisation of every node."""

_USER: Final = "system:node:"
_DIGITAL_SIGNATURE: Final = "digital signature"
_SERVING_SUFFIX: Final = "-tls"
_NAME_LENGTH: Final = 253  # of a DNS subdomain, as names of objects are
_DIGEST_DIGITS: Final = 5
_NO_NAME: Final = re.compile(r"[^a-z0-9.-]")


class Purpose(StrEnum):
    """What a certificate is shown as: by a client of the API server, or by the node's own API."""

    CLIENT = "client"
    SERVING = "server"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate.

    Attributes:
        name: what its first request is called; later ones add some digits, see `name_for`.
        dns, ips: what it is to be for, canonical and in order; nothing for a client.
    """

    purpose: Purpose
    node: str
    name: str
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()

    @property
    def signer(self) -> str:
        return CLIENT_SIGNER if self.purpose is Purpose.CLIENT else SERVING_SIGNER

    @property
    def usages(self) -> tuple[str, ...]:
        """Exactly these: with a key for RSA there would be a third."""
        return (_DIGITAL_SIGNATURE, self.extended_usage)

    @property
    def extended_usage(self) -> str:
        return CLIENT_AUTH if self.purpose is Purpose.CLIENT else SERVER_AUTH

    @property
    def user(self) -> str:
        """What the API server is to call whoever shows the certificate."""
        return node_user(self.node)

    def name_for(self, key_digest: str) -> str:
        """What a request is called where another one has the name: a node cannot delete its own."""
        suffix = f"-{key_digest[:_DIGEST_DIGITS]}"
        return self.name[: _NAME_LENGTH - len(suffix)].rstrip("-.") + suffix

    def is_for_same(self, facts: RequestFacts) -> bool:
        """Whether a request asks for the same as this, with whatever key."""
        return (
            facts.common_name == self.user
            and facts.organizations == (GROUP,)
            and (facts.dns, facts.ips, facts.other_names) == (self.dns, self.ips, ())
        )

    def flaw_in(self, facts: CertificateFacts) -> str:
        """In what way a certificate falls short of this, its times and key aside; or nothing."""
        if facts.common_name != self.user:
            return f"it is for {facts.common_name!r}, not for {self.user!r}"
        if GROUP not in facts.organizations:
            return f"its group is not {GROUP}"
        if missing := [one for one in (*self.dns, *self.ips) if one not in facts.dns + facts.ips]:
            return f"it is not for {', '.join(missing)}"
        if not facts.is_good_for(self.extended_usage):
            return f"it is not good for {self.extended_usage!r}"
        return ""


def node_user(node: str) -> str:
    """What the API server calls the node."""
    return _USER + node


def client_wanted(*, node: str) -> Wanted:
    """What the node shows to the API server."""
    return Wanted(purpose=Purpose.CLIENT, node=node, name=_object_name(node))


def serving_wanted(*, node: str, hostname: str, ips: Iterable[str]) -> Wanted | None:
    """What the node's own API shows; None while there is no address that it could be for.

    Args:
        node: its name.
        hostname: a name, or an address too.
        ips: where the API server reaches the node.
    """
    # Source: pkg/kubelet/certificate/kubelet.go: a request for a name alone is not made.
    addresses = {ip for one in (*ips, hostname) if (ip := canonical_ip(one)) is not None}
    if not addresses:
        return None
    host = hostname.lower().rstrip(".")
    # One that is not of ASCII could not be looked up, and has no place in a certificate.
    is_name = host and host.isascii() and canonical_ip(host) is None
    return Wanted(
        purpose=Purpose.SERVING,
        node=node,
        name=_object_name(host, _SERVING_SUFFIX) or _object_name(node, _SERVING_SUFFIX),
        dns=(host,) if is_name else (),
        ips=tuple(sorted(addresses)),
    )


def new_key() -> bytes:
    """A private key as PEM, on the curve P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def request_pem(wanted: Wanted, key_pem: bytes) -> bytes:
    """The PKCS #10 request for `wanted`, made with the key.

    Raises:
        CertificateUnreadable: it is another kind of key than `new_key` makes.
    """
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import NameOID

    tolerate_long_names()
    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateUnreadable("the key of a request", "is of another kind than ours")
    group = x509.NameAttribute(NameOID.ORGANIZATION_NAME, GROUP)
    # Not validated, as it may be longer than X.509 says: see `tolerate_long_names`.
    user = x509.NameAttribute(NameOID.COMMON_NAME, wanted.user, _validate=False)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([group, user]))
    if names := [
        *(x509.DNSName(one) for one in wanted.dns),
        *(x509.IPAddress(ipaddress.ip_address(one)) for one in wanted.ips),
    ]:
        request = request.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _object_name(host: str, suffix: str = "") -> str:
    """A DNS subdomain that is `host` and the suffix, as far as it can be; empty if it cannot."""
    name = _NO_NAME.sub("-", host.lower())[: _NAME_LENGTH - len(suffix)].strip("-.")
    return name and name + suffix
