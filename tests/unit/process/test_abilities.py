"""What is said of walls that cannot stand."""

import msgspec
import pytest

from krustlet.process import Abilities, Missing

ALL = Abilities(users=True, mounts=True, seccomp=True, landlock=7)
NONE = Abilities(users=False, mounts=False, seccomp=False, landlock=0)


def walls(missing: tuple[Missing, ...]) -> list[str]:
    return [found.wall for found in missing]


def test_nothing_is_missing_where_all_can_be_had() -> None:
    assert ALL.missing(limits=True) == ()


def test_everything_is_missing_where_nothing_can_be_had() -> None:
    assert walls(NONE.missing(limits=False)) == [
        "memory and CPU limits",
        "a user of its own",
        "a file system of its own",
        "a system call filter",
        "an access filter",
    ]


@pytest.mark.parametrize(
    ("changed", "wall"),
    [
        ({"users": False}, "a user of its own"),
        ({"mounts": False}, "a file system of its own"),
        ({"seccomp": False}, "a system call filter"),
        ({"landlock": 0}, "an access filter"),
        ({"landlock": 5}, "an access filter"),
    ],
)
def test_each_is_told_of_by_itself(changed: dict[str, int], wall: str) -> None:
    assert walls(msgspec.structs.replace(ALL, **changed).missing(limits=True)) == [wall]


def test_limits_are_told_of_by_whoever_knows_of_them() -> None:
    assert walls(ALL.missing(limits=False)) == ["memory and CPU limits"]


def test_an_old_landlock_keeps_files_apart_without_a_root() -> None:
    """Scopes are for what namespaces leave; without any, files are what it is for."""
    unprivileged = msgspec.structs.replace(NONE, seccomp=True, landlock=1)
    assert "an access filter" not in walls(unprivileged.missing(limits=True))


def test_a_network_that_cannot_be_kept_from_a_container_is_told_of() -> None:
    old = msgspec.structs.replace(NONE, landlock=3)
    assert "a network filter" in walls(old.missing(limits=True))
    assert "a network filter" not in walls(
        msgspec.structs.replace(old, seccomp=True).missing(limits=True)
    )


def test_each_says_what_it_costs_and_what_to_do() -> None:
    for missing in NONE.missing(limits=False):
        assert missing.cost.endswith(".")
        assert missing.remedy
