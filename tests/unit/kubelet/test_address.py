"""Where a node is reached, though that may change while it runs."""

import ipaddress
import socket
import threading
from collections.abc import Mapping

import pytest

from krustlet.kubelet import address
from krustlet.kubelet.address import HostAddresses, NodeAddressUnknown
from tests.support.until import until

SERVER = "https://api.example:6443"
API = "203.0.113.10"
V4, V6 = "192.0.2.1", "2001:db8::1"  # where the default routes are looked for


class FakeRoutes:
    """A machine's network.

    Attributes:
        ways: its own address on the way to each address that there is a way to.
        names: the addresses of each host that is known.
        asked: each name that was asked for.
    """

    def __init__(self, ways: Mapping[str, str], **names: list[str]) -> None:
        self.ways = dict(ways)
        self.names = {"api.example": [API], **names}
        self.asked: list[str] = []

    def resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        return self.names.get(host, [])

    def source(self, address: str) -> str:
        return self.ways.get(address, "")


def found(routes: FakeRoutes, *asked: str, server: str = SERVER) -> tuple[str, ...]:
    return HostAddresses(asked, server, routes=routes).current()


@pytest.mark.parametrize(
    ("asked", "ways", "expected"),
    [
        pytest.param((), {API: "10.0.0.5", V4: "10.9.9.9"}, ("10.0.0.5",), id="to-the-server"),
        pytest.param((), {API: "127.0.0.1", V4: "10.9.9.9"}, ("10.9.9.9",), id="server-is-here"),
        pytest.param((), {API: "169.254.1.1", V4: "10.9.9.9"}, ("10.9.9.9",), id="link-local"),
        pytest.param((), {API: "fe80::1", V6: "fd00::5"}, ("fd00::5",), id="link-local-of-ipv6"),
        pytest.param((), {V4: "10.9.9.9", V6: "fd00::5"}, ("10.9.9.9",), id="default-route"),
        pytest.param((), {V6: "fd00::5"}, ("fd00::5",), id="default-route-of-ipv6"),
        pytest.param(("10.1.1.1", "fd00::1"), {}, ("10.1.1.1", "fd00::1"), id="as-it-was-told"),
        pytest.param(("0.0.0.0",), {API: "10.0.0.5", V4: "10.9.9.9"}, ("10.9.9.9",), id="ipv4"),
        pytest.param(("::",), {V4: "10.9.9.9", V6: "fd00::5"}, ("fd00::5",), id="ipv6"),
        pytest.param(
            ("::", "0.0.0.0"), {V4: "10.9.9.9", V6: "fd00::5"}, ("fd00::5", "10.9.9.9"), id="both"
        ),
        pytest.param(
            ("10.1.1.1", "::"), {V6: "fd00::5"}, ("10.1.1.1", "fd00::5"), id="told-and-found"
        ),
    ],
)
def test_addresses(asked: tuple[str, ...], ways: dict[str, str], expected: tuple[str, ...]) -> None:
    assert found(FakeRoutes(ways), *asked) == expected


@pytest.mark.parametrize(
    ("asked", "ways"),
    [
        pytest.param((), {}, id="none-at-all"),
        pytest.param((), {API: "127.0.0.1", V4: "127.0.0.1"}, id="loopback-alone"),
        pytest.param(("0.0.0.0",), {V4: "169.254.3.4"}, id="link-local-alone"),
        pytest.param(("0.0.0.0", "::"), {V4: "10.9.9.9"}, id="one-of-two"),
    ],
)
def test_without_any_one_has_to_say_it(asked: tuple[str, ...], ways: dict[str, str]) -> None:
    with pytest.raises(NodeAddressUnknown) as unknown:
        found(FakeRoutes(ways), *asked)
    assert "--node-ip" in unknown.value.hint


def test_a_server_may_be_given_by_its_address() -> None:
    routes = FakeRoutes({"fd00::9": "fd00::5"}, **{"fd00::9": ["fd00::9"]})
    assert found(routes, server="https://[fd00::9]:6443") == ("fd00::5",)


def test_a_change_is_seen() -> None:
    routes = FakeRoutes({API: "10.0.0.5", V6: "fd00::5"})
    addresses = HostAddresses((), SERVER, routes=routes)
    both = HostAddresses(("10.1.1.1", "::"), SERVER, routes=routes)
    assert (addresses.current(), both.current()) == (("10.0.0.5",), ("10.1.1.1", "fd00::5"))

    routes.ways = {API: "10.0.0.6", V6: "fd00::6"}

    assert (addresses.current(), both.current()) == (("10.0.0.6",), ("10.1.1.1", "fd00::6"))


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param({}, id="no-way-to-anywhere"),
        pytest.param({V4: "10.9.9.9"}, id="no-way-to-the-server-but-elsewhere"),
        pytest.param({V6: "fd00::5"}, id="the-other-family-alone"),
        pytest.param({API: "fd00::5", V6: "fd00::5"}, id="the-server-by-the-other-family-alone"),
    ],
)
def test_the_last_known_address_stays_while_there_is_none(ways: dict[str, str]) -> None:
    routes = FakeRoutes({API: "10.0.0.5", V4: "10.9.9.9"})
    addresses = HostAddresses((), SERVER, routes=routes)
    addresses.current()

    routes.ways = ways
    assert addresses.current() == ("10.0.0.5",)

    routes.ways = {API: "10.0.0.6"}
    assert addresses.current() == ("10.0.0.6",)


def test_one_of_two_that_is_gone_for_a_moment_stays_too() -> None:
    routes = FakeRoutes({V4: "10.9.9.9", V6: "fd00::5"})
    addresses = HostAddresses(("0.0.0.0", "::"), SERVER, routes=routes)
    addresses.current()
    routes.ways = {V4: "10.9.9.8"}
    assert addresses.current() == ("10.9.9.8", "fd00::5")


# names --------------------------------------------------------------------------------------------


def test_a_name_is_resolved_once_in_a_while() -> None:
    routes = FakeRoutes({API: "10.0.0.5"})
    addresses = HostAddresses((), SERVER, routes=routes)
    for _ in range(100):
        addresses.current()
    assert routes.asked == ["api.example"]


def test_with_dns_gone_nobody_waits_for_it_and_the_last_answer_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "_RESOLVE_EVERY_S", 0.0)
    dns_is_back = threading.Event()

    class SlowDns(FakeRoutes):
        def resolve(self, host: str) -> list[str]:
            if self.asked:
                assert dns_is_back.wait(10)
            return super().resolve(host)

    routes = SlowDns({API: "10.0.0.5", "203.0.113.11": "10.0.0.7"})
    addresses = HostAddresses((), SERVER, routes=routes)
    addresses.current()
    routes.names = {"api.example": ["203.0.113.11"]}

    for _ in range(100):
        assert addresses.current() == ("10.0.0.5",)  # and at once
    routes.ways[API] = "10.0.0.6"
    assert addresses.current() == ("10.0.0.6",)

    dns_is_back.set()
    until(lambda: addresses.current() == ("10.0.0.7",))


def test_a_name_that_nobody_knows_any_more_still_leads_where_it_led(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_RESOLVE_EVERY_S", "_RESOLVE_AGAIN_S"):
        monkeypatch.setattr(address, name, 0.0)
    routes = FakeRoutes({API: "10.0.0.5", V4: "10.9.9.9"})
    addresses = HostAddresses((), SERVER, routes=routes)
    addresses.current()
    routes.names = {}

    until(lambda: addresses.current() and len(routes.asked) > 3)
    assert addresses.current() == ("10.0.0.5",)


def test_a_name_that_nobody_knows_leads_to_the_default_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(address, "_RESOLVE_AGAIN_S", 0.0)
    routes = FakeRoutes({API: "10.0.0.5", V4: "10.9.9.9"})
    names, routes.names = routes.names, {}
    addresses = HostAddresses((), SERVER, routes=routes)
    assert addresses.current() == ("10.9.9.9",)

    routes.names = names
    until(lambda: addresses.current() == ("10.0.0.5",))


# this machine -------------------------------------------------------------------------------------


def test_that_of_this_machine_is_never_loopback() -> None:
    (found,) = HostAddresses((), "https://127.0.0.1:6443").current()
    assert not ipaddress.ip_address(found).is_loopback


def test_a_machine_without_routes_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", no_route)
    with pytest.raises(NodeAddressUnknown):
        HostAddresses((), "https://127.0.0.1:6443").current()


def test_a_host_that_nobody_knows_has_no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert address.SystemRoutes().resolve("api.example") == []
