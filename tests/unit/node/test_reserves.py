"""What is kept from pods, as administrators say it."""

from decimal import Decimal
from typing import Final

import pytest

from krustlet.node import ReservesInvalid, Threshold, idle_words, reserved, thresholds
from krustlet.node.reserves import default_thresholds
from krustlet.objects import Quantity

TASKS: Final = {"pid.available": Threshold(share=Decimal("0.05"))}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        pytest.param({}, TASKS, id="nothing-but-our-own"),
        pytest.param(
            {"memory.available": "100Mi"},
            {**TASKS, "memory.available": Threshold(amount=100 << 20)},
            id="an-amount",
        ),
        pytest.param(
            {"nodefs.available": "12.5%"},
            {**TASKS, "nodefs.available": Threshold(share=Decimal("0.125"))},
            id="a-share",
        ),
        pytest.param(
            {"memory.available": "0%", "imagefs.available": "100%", "pid.available": "0%"},
            {},
            id="none-at-all",
        ),
        pytest.param(
            {"pid.available": "1k"}, {"pid.available": Threshold(amount=1000)}, id="other-than-ours"
        ),
        pytest.param(
            {"containerfs.available": "50%", "allocatableMemory.available": "1Gi"},
            TASKS,
            id="of-no-effect",
        ),
    ],
)
def test_thresholds(said: dict[str, str], read: dict[str, Threshold]) -> None:
    assert thresholds(said) == read


def test_the_defaults_are_those_of_kubernetes() -> None:
    assert {
        signal: threshold.of(1 << 30) for signal, threshold in default_thresholds().items()
    } == {
        "memory.available": 100 << 20,
        "nodefs.available": (1 << 30) // 10,
        "nodefs.inodesFree": (1 << 30) // 20,
        "imagefs.available": (1 << 30) * 15 // 100,
        "imagefs.inodesFree": (1 << 30) // 20,
        "pid.available": (1 << 30) // 20,
    }


@pytest.mark.parametrize(
    ("signal", "text", "words"),
    [
        ("memory.free", "1Gi", "no eviction signal 'memory.free'"),
        ("memory.available", "100MB", "memory.available is no amount"),
        ("memory.available", "", "memory.available is no amount"),
        ("memory.available", "0", "more than nothing"),
        ("memory.available", "-1Gi", "more than nothing"),
        ("nodefs.available", "101%", "nodefs.available is no share: '101%'"),
        ("nodefs.available", "-1%", "no share"),
        ("nodefs.available", "ten%", "no share"),
        ("nodefs.available", "nan%", "no share"),
        ("containerfs.available", "x", "containerfs.available is no amount"),
    ],
)
def test_thresholds_that_are_none_are_refused(signal: str, text: str, words: str) -> None:
    with pytest.raises(ReservesInvalid, match=words) as refused:
        thresholds({signal: text})
    assert refused.value.hint


def amounts(said: dict[str, str]) -> dict[str, Quantity]:
    return {name: Quantity(amount) for name, amount in said.items()}


def test_what_system_and_kubelet_need_comes_together() -> None:
    system = amounts({"cpu": "100m", "memory": "1Gi", "pid": "500"})
    kube = amounts({"cpu": "0.15", "ephemeral-storage": "1Gi"})

    assert reserved(system, kube) == {
        "cpu": "250m",
        "memory": str(1 << 30),
        "ephemeral-storage": str(1 << 30),
        "pid": "500",
    }


@pytest.mark.parametrize(
    ("name", "amount", "words"),
    [
        ("pods", "10", "'pods' cannot be reserved"),
        ("hugepages-2Mi", "1Gi", "cannot be reserved"),
        ("example.com/dongle", "1", "cannot be reserved"),
        ("memory", "lots", "reserved of memory is no amount"),
        ("cpu", "-1", "less than nothing"),
    ],
)
def test_what_cannot_be_reserved_is_refused(name: str, amount: str, words: str) -> None:
    with pytest.raises(ReservesInvalid, match=words):
        reserved(amounts({name: amount}))


def test_words_that_change_nothing_here_can_be_told() -> None:
    said = ["memory.available", "containerfs.inodesFree", "pid", "cpu"]
    assert idle_words(said) == ["containerfs.inodesFree", "pid"]
