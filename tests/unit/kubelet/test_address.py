"""Where a node is reached, when nobody has said so."""

import ipaddress
import socket

import pytest

from krustlet.kubelet.address import NodeAddressUnknown, address_towards


def test_it_is_never_loopback() -> None:
    address = address_towards("https://127.0.0.1:6443")
    assert not ipaddress.ip_address(address).is_loopback


def test_without_a_way_to_anywhere_one_has_to_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", no_route)
    with pytest.raises(NodeAddressUnknown) as unknown:
        address_towards("https://127.0.0.1:6443")
    assert "--node-ip" in unknown.value.hint
