"""What a node has, and what of it is for pods."""

import pytest
from msgspec.structs import replace

from krustlet.node.reserves import thresholds
from krustlet.node.resources import Amounts, allocatable, are_equal, capacity, in_bytes, used_up
from krustlet.objects import Quantity
from krustlet.settings import DEFAULT_EVICTION_HARD
from tests.unit.node.fakes import A_MACHINE, GIB, MIB


def amounts(**named: str) -> dict[str, Quantity]:
    return {name.replace("_", "-"): Quantity(amount) for name, amount in named.items()}


def left(has: Amounts, reserved: Amounts | None = None, **eviction: str) -> dict[str, Quantity]:
    said = {name.replace("_", "."): text for name, text in eviction.items()}
    limits = thresholds(said or DEFAULT_EVICTION_HARD)
    return allocatable(has, reserved=reserved or {}, thresholds=limits)


def test_all_that_the_machine_has_is_told() -> None:
    machine = replace(A_MACHINE, huge_pages={2 * MIB: 512 * MIB, GIB: 0})

    assert capacity(machine, max_pods=110, before={}) == {
        "cpu": "2",
        "memory": "8Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
        "hugepages-2Mi": "512Mi",
        "hugepages-1Gi": "0",
    }


def test_what_others_gave_the_node_stays_and_what_it_lost_goes() -> None:
    before = {**amounts(cpu="64", hugepages_2Mi="4Gi"), "example.com/dongle": Quantity("4")}

    after = capacity(A_MACHINE, max_pods=10, before=before)

    assert after["example.com/dongle"] == "4"
    assert after["cpu"] == "2"
    assert "hugepages-2Mi" not in after


def test_pods_are_not_offered_what_they_would_be_evicted_for() -> None:
    assert left(amounts(cpu="2", memory="8Gi", ephemeral_storage="1000")) == amounts(
        cpu="2", memory=f"{8 * 1024 - 100}Mi", ephemeral_storage="900"
    )


def test_thresholds_may_be_shares_or_amounts_or_none() -> None:
    has = amounts(memory="8Gi", ephemeral_storage="100Gi")

    assert left(has, memory_available="25%", nodefs_available="1Gi") == amounts(
        memory="6Gi", ephemeral_storage="99Gi"
    )
    assert left(has, memory_available="0%", imagefs_available="50%") == has


def test_what_is_reserved_is_kept_from_pods() -> None:
    has = amounts(cpu="2", memory="8Gi", ephemeral_storage="10Gi", pods="110")
    reserved = amounts(cpu="150m", memory="1Gi", ephemeral_storage="1Gi", pid="1000")

    assert left(has, reserved) == amounts(
        cpu="1850m", memory="7068Mi", ephemeral_storage="8Gi", pods="110"
    )


def test_huge_pages_are_no_memory_for_pods_too() -> None:
    has = amounts(memory="8Gi", hugepages_2Mi="1Gi")

    assert left(has) == amounts(memory="7068Mi", hugepages_2Mi="1Gi")


def test_there_is_never_less_than_nothing() -> None:
    has = amounts(memory="64Mi", cpu="1", pods="0")

    assert left(has, amounts(cpu="2")) == amounts(memory="0", cpu="0", pods="0")
    assert used_up(has, left(has, amounts(cpu="2"))) == ["cpu", "memory"]


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1Ki"),
        (1536, "1536"),
        (5 * GIB, "5Gi"),
        (3 << 19, "1536Ki"),
    ],
)
def test_bytes_are_written_as_the_api_server_writes_them(amount: int, written: str) -> None:
    assert in_bytes(amount) == written


def test_amounts_are_compared_by_what_they_mean() -> None:
    assert are_equal(amounts(cpu="1000m", memory="1k"), amounts(cpu="1", memory="1000"))
    assert not are_equal(amounts(cpu="1"), amounts(cpu="2"))
    assert not are_equal(amounts(cpu="1"), amounts(cpu="1", pods="1"))
