from pathlib import Path

import pytest
from yarl import URL

from krustlet.images import RegistrySettings, RegistryUntrusted
from krustlet.images.registry import is_same_place
from krustlet.images.trust import Trust, host_of, is_loopback


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://reg.io/v2/", "reg.io"),
        ("https://REG.io/v2/", "reg.io"),
        ("https://reg.io:443/v2/", "reg.io:443"),
        ("https://u:p@reg.io:5000/v2/", "reg.io:5000"),
        ("https://[::1]:5000/v2/", "[::1]:5000"),
        ("https://[::1]/", "[::1]"),
    ],
)
def test_a_host_is_called_what_a_reference_calls_it(url: str, host: str) -> None:
    assert host_of(URL(url)) == host


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("https://reg.io/a", "https://reg.io/b", True, id="the-same"),
        pytest.param("http://reg.io/a", "https://reg.io/b", True, id="after-stepping-down"),
        pytest.param("https://reg.io:443/a", "https://reg.io/b", True, id="the-port-is-implied"),
        pytest.param("http://reg.io:80/a", "https://reg.io:80/b", True, id="port-80"),
        pytest.param("https://reg.io:5000/a", "https://reg.io/b", False, id="another-port"),
        pytest.param("http://reg.io/a", "https://reg.io:5000/b", False, id="no-port-for-one"),
        pytest.param("https://reg.io.evil/a", "https://reg.io/b", False, id="another-host"),
    ],
)
def test_where_a_password_may_go(one: str, other: str, same: bool) -> None:
    assert is_same_place(URL(one), URL(other)) == same


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.8.8.8", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("localhost.evil.io", False),
        ("10.0.0.1:5000", False),
        ("reg.io", False),
    ],
)
def test_this_machine_is_no_network(host: str, loopback: bool) -> None:
    trust = Trust(RegistrySettings())
    assert (is_loopback(host), trust.may_be_plain(host)) == (loopback, loopback)


def test_only_the_host_that_is_listed_is_insecure() -> None:
    trust = Trust(RegistrySettings(insecure=("reg.io:5000",)))
    assert [trust.is_insecure(h) for h in ("reg.io:5000", "reg.io", "x.reg.io:5000")] == [
        True,
        False,
        False,
    ]
    assert trust.context("reg.io:5000").check_hostname is False
    assert trust.context("reg.io").check_hostname is True


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "reg.io:5000").mkdir()
    (tmp_path / "reg.io:5000" / "ca.crt").write_text("no certificate")
    trust = Trust(RegistrySettings(certs_dir=tmp_path))
    with pytest.raises(RegistryUntrusted, match=str(tmp_path)):
        trust.context("reg.io:5000")
    assert trust.context("other.io").check_hostname is True


def test_a_certificate_without_its_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "reg.io").mkdir()
    (tmp_path / "reg.io" / "client.cert").touch()
    with pytest.raises(RegistryUntrusted, match=r"client\.key"):
        Trust(RegistrySettings(certs_dir=tmp_path)).context("reg.io")


@pytest.mark.parametrize("host", ["..", ".", "a/../../b"])
def test_a_host_from_a_redirect_is_no_path(host: str, tmp_path: Path) -> None:
    (tmp_path / "outside.crt").write_text("no certificate")
    (tmp_path / "certs").mkdir()
    trust = Trust(RegistrySettings(certs_dir=tmp_path / "certs"))
    assert trust.context(host).check_hostname is True
