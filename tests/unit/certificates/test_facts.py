"""What certificates, requests and keys say."""

import ipaddress
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from krustlet.certificates import (
    CertificateUnreadable,
    client_wanted,
    facts_of,
    key_digest,
    request_facts,
    request_pem,
    serving_wanted,
)
from krustlet.certificates.facts import canonical_ip
from krustlet.certificates.wanted import new_key
from tests.support.virtual_time import EPOCH
from tests.unit.certificates.fakes import signed

KEY: Final = new_key()
SERVING: Final = serving_wanted(node="wasm-1", hostname="Host", ips=["192.0.2.7", "2001:DB8::1"])
assert SERVING is not None
REQUEST: Final = request_pem(SERVING, KEY)


def a_certificate(**odd: object) -> bytes:
    how = {"usages": ["server auth"], "not_before": EPOCH - 300, "not_after": EPOCH + 3600, **odd}
    return signed(REQUEST, **how)  # type: ignore[arg-type]  # a table of differing arguments


def test_a_certificate_tells_all_that_matters() -> None:
    facts = facts_of(a_certificate())

    assert facts.common_name == "system:node:wasm-1"
    assert facts.organizations == ("system:nodes",)
    assert facts.dns == ("host",)
    assert facts.ips == ("192.0.2.7", "2001:db8::1")
    assert facts.other_names == ()
    assert facts.key_digest == key_digest(KEY)
    assert (facts.not_before, facts.not_after) == (EPOCH - 300, EPOCH + 3600)
    assert facts.purposes == ("server auth",)


def test_of_several_the_first_counts_and_the_key_does_not_matter() -> None:
    other = signed(
        request_pem(client_wanted(node="other"), new_key()),
        usages=[],
        not_before=EPOCH,
        not_after=EPOCH + 1,
    )

    assert facts_of(KEY + a_certificate() + other).common_name == "system:node:wasm-1"


def test_it_is_good_from_the_first_moment_up_to_the_last() -> None:
    facts = facts_of(a_certificate())

    assert facts.is_good_at(facts.not_before)
    assert not facts.is_good_at(facts.not_after)


@pytest.mark.parametrize(
    ("usages", "good"),
    [
        pytest.param(["server auth"], True, id="for-servers"),
        pytest.param(["client auth"], False, id="for-clients"),
        pytest.param(["client auth", "server auth"], True, id="for-both"),
        pytest.param([], True, id="nothing-said-is-everything"),
    ],
)
def test_what_it_is_good_for(usages: list[str], good: bool) -> None:
    assert facts_of(a_certificate(usages=usages)).is_good_for("server auth") is good


def test_a_request_tells_the_same_and_names_of_other_kinds() -> None:
    facts = request_facts(REQUEST)
    assert (facts.common_name, facts.dns) == ("system:node:wasm-1", ("host",))
    assert facts.ips == ("192.0.2.7", "2001:db8::1")
    assert facts.key_digest == key_digest(KEY)

    odd = [x509.RFC822Name("a@b.example"), x509.UniformResourceIdentifier("spiffe://a/b")]
    told = facts_of(a_certificate(names=odd))
    assert (told.dns, told.other_names) == ((), ("a@b.example", "spiffe://a/b"))


def test_a_node_may_have_a_longer_name_than_x509_foresaw() -> None:
    name = "n" * 253
    pem = request_pem(client_wanted(node=name), KEY)
    certificate = signed(pem, usages=[], not_before=EPOCH, not_after=EPOCH + 1)

    assert request_facts(pem).common_name == f"system:node:{name}"
    assert facts_of(certificate).common_name == f"system:node:{name}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"nothing of the kind", id="text"),
        pytest.param(REQUEST, id="a-request"),
        pytest.param(a_certificate()[:300], id="torn"),
        pytest.param(a_certificate().replace(b"M", b"N", 3), id="damaged"),
    ],
)
def test_what_is_no_certificate_is_named(content: bytes) -> None:
    with pytest.raises(CertificateUnreadable, match=r"^/data/pki/x.pem holds no certificate"):
        facts_of(content, where="/data/pki/x.pem")


def test_what_is_no_request_or_no_key_is_named() -> None:
    with pytest.raises(CertificateUnreadable, match=r"^request is no request"):
        request_facts(KEY)
    with pytest.raises(CertificateUnreadable, match=r"^a.key holds no private key$"):
        key_digest(REQUEST, where="a.key")


def test_a_key_behind_a_passphrase_is_none() -> None:
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    )

    with pytest.raises(CertificateUnreadable, match=r"^key holds no private key$"):
        key_digest(locked)


def test_nothing_of_a_damaged_key_is_told() -> None:
    lines = KEY.splitlines()
    damaged = b"\n".join([lines[0], lines[1][:-4] + b"AAAA", *lines[2:]])

    with pytest.raises(CertificateUnreadable) as caught:
        key_digest(damaged, where="a.key")

    assert str(caught.value) == "a.key holds no private key"


@given(st.binary(max_size=400))
def test_whatever_the_bytes_there_is_one_error(content: bytes) -> None:
    framed = b"-----BEGIN CERTIFICATE-----\n" + content + b"\n-----END CERTIFICATE-----\n"
    for pem in (content, framed):
        with pytest.raises(CertificateUnreadable):
            facts_of(pem)


@given(st.ip_addresses())
def test_an_address_has_one_form(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    told = canonical_ip(ip.exploded)

    assert told is not None
    assert canonical_ip(told) == told
    assert canonical_ip(told.upper()) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("host", None),
        ("", None),
        ("192.0.2", None),
    ],
)
def test_addresses_of_odd_forms(text: str, told: str | None) -> None:
    assert canonical_ip(text) == told
