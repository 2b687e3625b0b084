"""Which certificate a node wants, and the request for it."""

import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from krustlet.certificates import (
    Purpose,
    Wanted,
    client_wanted,
    facts_of,
    request_facts,
    request_pem,
    serving_wanted,
)
from krustlet.certificates.wanted import new_key
from tests.support.virtual_time import EPOCH
from tests.unit.certificates.fakes import signed

SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def a_serving(hostname: str = "host", *ips: str) -> Wanted:
    wanted = serving_wanted(node="wasm-1", hostname=hostname, ips=ips or ["192.0.2.7"])
    assert wanted is not None
    return wanted


def test_a_client_asks_exactly_as_the_signer_wants_it() -> None:
    wanted = client_wanted(node="wasm-1")

    assert wanted.name == "wasm-1"
    assert wanted.signer == "kubernetes.io/kube-apiserver-client-kubelet"
    assert wanted.usages == ("digital signature", "client auth")
    request = x509.load_pem_x509_csr(request_pem(wanted, new_key()))
    assert request.subject.rfc4514_string() == "CN=system:node:wasm-1,O=system:nodes"
    assert list(request.extensions) == []
    assert request.is_signature_valid
    assert isinstance(request.signature_hash_algorithm, hashes.SHA256)
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_the_nodes_own_api_asks_for_its_name_and_addresses() -> None:
    wanted = a_serving("Host.example.", "192.0.2.7", "2001:DB8::1", "192.0.2.7")

    assert wanted.purpose is Purpose.SERVING
    assert wanted.name == "host.example-tls"
    assert wanted.signer == "kubernetes.io/kubelet-serving"
    assert wanted.usages == ("digital signature", "server auth")
    facts = request_facts(request_pem(wanted, new_key()))
    assert (facts.common_name, facts.organizations) == ("system:node:wasm-1", ("system:nodes",))
    assert facts.dns == ("host.example",)
    assert facts.ips == ("192.0.2.7", "2001:db8::1")


def test_a_host_that_is_called_by_its_address_asks_for_that() -> None:
    wanted = serving_wanted(node="wasm-1", hostname="192.0.2.9", ips=[])

    assert wanted is not None
    assert (wanted.name, wanted.dns, wanted.ips) == ("192.0.2.9-tls", (), ("192.0.2.9",))


def test_without_an_address_nothing_is_asked_for_yet() -> None:
    assert serving_wanted(node="wasm-1", hostname="host", ips=[]) is None


def test_a_name_that_dns_cannot_say_is_left_out() -> None:
    wanted = a_serving("hôte")

    assert (wanted.name, wanted.dns) == ("h-te-tls", ())
    assert request_facts(request_pem(wanted, new_key())).ips == ("192.0.2.7",)


def test_the_order_of_addresses_does_not_matter() -> None:
    assert a_serving("h", "192.0.2.7", "10.0.0.1") == a_serving("H", "10.0.0.1", "192.0.2.7")


def test_later_requests_add_five_digits() -> None:
    assert a_serving("host").name_for("abcdef0123") == "host-tls-abcde"


@given(st.text(max_size=300), st.ip_addresses().map(str))
def test_every_request_has_a_name_that_the_api_takes(hostname: str, ip: str) -> None:
    wanted = a_serving(hostname, ip)

    for name in (wanted.name, wanted.name_for("0123456789")):
        assert len(name) <= 253
        assert SUBDOMAIN.fullmatch(name)
    assert wanted.name != wanted.name_for("0123456789")
    assert wanted.is_for_same(request_facts(request_pem(wanted, new_key())))


def test_another_wish_is_not_the_same() -> None:
    wanted = a_serving("host", "192.0.2.7")
    for other in (
        a_serving("host", "192.0.2.8"),
        a_serving("host", "192.0.2.7", "192.0.2.8"),
        a_serving("guest", "192.0.2.7"),
        replace(wanted, node="wasm-2"),
        client_wanted(node="wasm-1"),
    ):
        assert not wanted.is_for_same(request_facts(request_pem(other, new_key())))


def test_a_request_for_names_of_other_kinds_is_not_the_same() -> None:
    facts = request_facts(request_pem(a_serving(), new_key()))

    assert a_serving().is_for_same(facts)
    assert not a_serving().is_for_same(replace(facts, other_names=("a@b.example",)))


@pytest.mark.parametrize(
    ("asked", "usages", "flaw"),
    [
        pytest.param(a_serving(), ["server auth"], "", id="as-wanted"),
        pytest.param(
            a_serving("host", "192.0.2.7", "192.0.2.8"), [], "", id="for-more-than-wanted"
        ),
        pytest.param(
            a_serving("guest", "192.0.2.8"), [], "it is not for host, 192.0.2.7", id="for-others"
        ),
        pytest.param(
            replace(a_serving(), node="wasm-2"),
            [],
            "it is for 'system:node:wasm-2', not for 'system:node:wasm-1'",
            id="of-another-node",
        ),
        pytest.param(
            a_serving(), ["client auth"], "it is not good for 'server auth'", id="for-clients"
        ),
    ],
)
def test_what_is_wrong_with_a_certificate(asked: Wanted, usages: list[str], flaw: str) -> None:
    certificate = signed(
        request_pem(asked, new_key()), usages=usages, not_before=EPOCH, not_after=EPOCH + 1
    )

    assert a_serving().flaw_in(facts_of(certificate)) == flaw


def test_a_certificate_of_another_group_is_no_nodes() -> None:
    from cryptography.x509.oid import NameOID

    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
            x509.NameAttribute(NameOID.COMMON_NAME, "system:node:wasm-1"),
        ]
    )
    certificate = signed(
        request_pem(a_serving(), new_key()),
        usages=[],
        not_before=EPOCH,
        not_after=EPOCH + 1,
        subject=subject,
    )

    assert a_serving().flaw_in(facts_of(certificate)) == "its group is not system:nodes"
