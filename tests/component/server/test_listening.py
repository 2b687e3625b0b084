"""The node's API is heard at all addresses of the machine, of whichever family."""

import socket

import pytest

from krustlet.server.listening import listen_on_port


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
@pytest.mark.parametrize("asked", ["127.0.0.1", "::1"])
def test_all_addresses_are_those_of_both_families(address: str, asked: str) -> None:
    with (
        listen_on_port(address, 0) as listener,
        socket.create_connection((asked, listener.getsockname()[1]), timeout=5),
    ):
        pass


def test_one_address_is_that_one_alone() -> None:
    with listen_on_port("127.0.0.1", 0) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", listener.getsockname()[1]), timeout=5).close()


def test_a_machine_without_the_newer_family_is_heard_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with (
        listen_on_port("0.0.0.0", 0) as listener,
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5),
    ):
        pass
