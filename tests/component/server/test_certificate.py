"""The serving certificate: one that was given, or one of the node's own."""

import asyncio
import ssl
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from krustlet.base import write_atomically
from krustlet.server import CertificateUnusable, certificate
from krustlet.server.certificate import Serving, self_signed
from krustlet.server.tls import ServingTls
from tests.component.server.rig import HOST, Rig
from tests.support.authority import Authority

HOSTS = ["node-1", "10.0.0.7", "fd00::7"]


def fingerprint(serving: Serving) -> bytes:
    return serving.certificate.read_bytes() + serving.key.read_bytes()


def names(serving: Serving) -> set[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(serving.certificate)
    [found] = context.get_ca_certs(binary_form=False)
    alternatives: Any = found["subjectAltName"]
    return {value for _, value in alternatives}


def test_it_is_private_and_for_all_hosts(tmp_path: Path) -> None:
    serving = self_signed(tmp_path, HOSTS)
    assert names(serving) == {"node-1", "10.0.0.7", "FD00:0:0:0:0:0:0:7"}
    assert stat.S_IMODE(serving.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(serving.key.parent.stat().st_mode) == 0o700
    assert serving.key.parent == tmp_path / "pki"


def test_it_is_used_again_for_the_same_hosts(tmp_path: Path) -> None:
    first = fingerprint(self_signed(tmp_path, HOSTS))
    again = [*reversed(HOSTS), "NODE-1", "fd00:0::7"]
    assert fingerprint(self_signed(tmp_path, again)) == first


@pytest.mark.parametrize("hosts", [HOSTS[:2], [*HOSTS, "node-2"], ["node-1", "10.0.0.8"]])
def test_other_hosts_have_it_made_anew(tmp_path: Path, hosts: list[str]) -> None:
    first = fingerprint(self_signed(tmp_path, HOSTS))
    assert fingerprint(self_signed(tmp_path, hosts)) != first


def test_one_that_ends_soon_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(certificate, "_VALID", timedelta(days=29))
        first = fingerprint(self_signed(tmp_path, HOSTS))
    assert fingerprint(self_signed(tmp_path, HOSTS)) != first


@pytest.mark.parametrize("name", ["certificate", "key"])
def test_one_that_is_torn_is_made_anew(tmp_path: Path, name: str) -> None:
    file: Path = getattr(self_signed(tmp_path, HOSTS), name)
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    assert len(getattr(self_signed(tmp_path, HOSTS), name).read_bytes()) > 100


def test_a_key_of_another_certificate_is_replaced(tmp_path: Path) -> None:
    serving = self_signed(tmp_path, HOSTS)
    serving.key.write_bytes(self_signed(tmp_path / "other", HOSTS).key.read_bytes())
    ServingTls([self_signed(tmp_path, HOSTS)], client_ca=b"")


def test_using_it_again_does_not_load_what_makes_it(tmp_path: Path) -> None:
    self_signed(tmp_path, HOSTS)
    script = f"""
import sys; from pathlib import Path
from krustlet.server.certificate import self_signed
self_signed(Path({str(tmp_path)!r}), {HOSTS!r})
print("cryptography" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_tls_is_new_enough_and_for_http_1_1(tmp_path: Path) -> None:
    context = ServingTls([self_signed(tmp_path, HOSTS)], client_ca=b"").context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


async def test_clients_that_trust_it_believe_it(rig: Rig) -> None:
    async with rig.serving():
        assert await rig.ask("/healthz", rig.admin) == (200, "ok")  # the client checks the host


async def test_one_that_was_given_is_shown_and_changes_with_its_files(
    rig: Rig, tmp_path: Path
) -> None:
    authority = Authority.create(tmp_path / "cluster", "cluster")
    first, second = (authority.issue("node", hosts=[HOST]) for _ in range(2))
    crt, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    async def shown() -> bytes:
        trust = ssl.create_default_context(cafile=authority.certificate)
        _, writer = await asyncio.open_connection(HOST, server.port, ssl=trust)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return ssl.DER_cert_to_PEM_cert(der).encode()

    crt.write_bytes(first.certificate.read_bytes())
    key.write_bytes(first.key.read_bytes())
    async with rig.serving(serving=(crt, key)) as server:
        assert await shown() == first.certificate.read_bytes()
        crt.write_bytes(second.certificate.read_bytes())  # its key is not here yet
        assert await shown() == first.certificate.read_bytes()
        key.write_bytes(second.key.read_bytes())
        assert await shown() == second.certificate.read_bytes()
    assert not (rig.root / "pki").exists()


async def test_one_that_was_signed_later_is_shown_and_cuts_nobody_off(
    rig: Rig, tmp_path: Path
) -> None:
    authority = Authority.create(tmp_path / "cluster", "cluster")
    signed = tmp_path / "kubelet-server-current.pem"
    known = ssl.create_default_context(cafile=authority.certificate)
    async with rig.serving(signed=signed) as server:
        before = rig.trust(rig.admin)  # believes the self-signed one alone
        connector = aiohttp.TCPConnector(ssl=before)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(rig.url("/healthz")) as answer:
                assert await answer.text() == "ok"
            identity = authority.issue("node", hosts=[HOST])
            both = identity.certificate.read_bytes() + identity.key.read_bytes()
            write_atomically(signed, both)
            _, writer = await asyncio.open_connection(HOST, server.port, ssl=known)
            writer.transport.abort()
            async with session.get(rig.url("/healthz")) as answer:
                assert await answer.text() == "ok"  # over the connection that there was
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(HOST, server.port, ssl=before)


async def test_a_signed_one_that_is_of_no_use_is_passed_over(rig: Rig, tmp_path: Path) -> None:
    signed = tmp_path / "kubelet-server-current.pem"
    signed.write_text("torn")
    async with rig.serving(signed=signed):
        assert await rig.ask("/healthz", rig.admin) == (200, "ok")


async def test_files_that_do_not_belong_together_are_told(rig: Rig, tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "cluster", "cluster")
    one, other = (authority.issue("node", hosts=[HOST]) for _ in range(2))
    with pytest.raises(CertificateUnusable, match=r"serving certificate .* cannot be used"):
        async with rig.serving(serving=(one.certificate, other.key)):
            pass
