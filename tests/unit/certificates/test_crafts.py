"""What is done with keys and certificates is the same wherever it is done."""

from typing import Final

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from krustlet.certificates import CertificateUnreadable, client_wanted, facts_of, key_digest
from krustlet.certificates.crafts import Known, NewOwnPair, NewRequest, ReadPem, ReadRequest
from krustlet.certificates.wanted import new_key
from tests.support.virtual_time import EPOCH
from tests.unit.certificates.fakes import signed

WANTED: Final = client_wanted(node="wasm-1")
KEY: Final = new_key()
REQUEST: Final = NewRequest(WANTED, KEY).done().pem
CERTIFICATE: Final = signed(REQUEST, usages=WANTED.usages, not_before=EPOCH, not_after=EPOCH + 1)


def test_all_that_is_in_a_file_is_read_at_once() -> None:
    contents = ReadPem(CERTIFICATE + KEY).done()
    assert contents.facts("a.pem") == contents.pair("a.pem") == facts_of(CERTIFICATE)
    assert contents.key("a.pem") == key_digest(KEY)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        pytest.param(KEY, "a.pem holds no certificate", id="a-key-alone"),
        pytest.param(CERTIFICATE, "a.pem holds no private key", id="a-certificate-alone"),
        pytest.param(
            CERTIFICATE + new_key(),
            "a.pem holds a key that does not fit its certificate",
            id="another-key",
        ),
    ],
)
def test_what_is_missing_is_told_with_where_it_was_missed(pem: bytes, why: str) -> None:
    contents = ReadPem(pem).done()
    with pytest.raises(CertificateUnreadable) as caught:
        contents.pair("a.pem")
    assert caught.value.message.startswith(why)


ED25519 = ed25519.Ed25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


@pytest.mark.parametrize("other", [KEY[:60], ED25519])
def test_a_key_that_is_one_is_used_and_any_other_replaced(other: bytes) -> None:
    assert NewRequest(WANTED, KEY).done().key == KEY
    fresh = NewRequest(WANTED, other).done()
    assert fresh.key != other
    assert ReadPem(fresh.key).done().key("it") == fresh.key_digest
    facts = ReadRequest(fresh.pem).done()
    assert facts is not None
    assert facts.key_digest == fresh.key_digest
    assert WANTED.is_for_same(facts)


@pytest.mark.parametrize(
    "craft", [ReadPem(KEY), ReadRequest(REQUEST), NewRequest(WANTED, KEY), NewOwnPair(("a",), 1.0)]
)
def test_it_can_be_sent_and_tells_no_key(craft: Known) -> None:
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(craft), type=Known)
    assert sent == craft
    secret = KEY.decode().splitlines()[1]
    assert secret not in repr((craft, craft.done()))
