"""What is asked of Landlock, for each version of it."""

import pytest

from krustlet.process.landlock import handled_files, ruleset


@pytest.mark.parametrize(
    ("abi", "rights"),
    [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (6, 16), (7, 16), (99, 16)],
)
def test_all_that_a_version_can_deny_is_denied(abi: int, rights: int) -> None:
    assert handled_files(abi) == (1 << rights) - 1


@pytest.mark.parametrize(("abi", "size"), [(1, 8), (2, 8), (3, 8), (4, 16), (5, 16), (6, 24)])
def test_a_version_is_not_asked_for_more_than_it_knows(abi: int, size: int) -> None:
    """An older kernel refuses what is longer than the structure that it knows."""
    assert len(ruleset(abi, network=True)) == len(ruleset(abi, network=False)) == size


def test_tcp_is_denied_without_a_network_only() -> None:
    with_network, without = (ruleset(7, network=network)[8:16] for network in (True, False))
    assert (with_network[0], without[0]) == (0, 0b11)  # bind, connect


def test_signals_and_abstract_sockets_are_scoped() -> None:
    assert ruleset(7, network=True)[16:24] == b"\x03" + bytes(7)
