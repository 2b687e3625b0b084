"""What a node has, and what of it is there for pods. Pure.

Source: kubernetes pkg/kubelet/nodestatus/setters.go, MachineInfo; pkg/kubelet/cm/helpers.go.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from krustlet.node.machine import Machine
from krustlet.node.reserves import Signal, Threshold, Thresholds
from krustlet.objects import Quantity, exact, from_exact

_CPU: Final = "cpu"
_MEMORY: Final = "memory"
_PODS: Final = "pods"
_STORAGE: Final = "ephemeral-storage"
_HUGE_PAGES: Final = "hugepages-"
_SUFFIXES: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_STEP: Final = 1024

Amounts = Mapping[str, Quantity]


def capacity(machine: Machine, *, max_pods: int, before: Amounts) -> dict[str, Quantity]:
    """All that the node has.

    Args:
        before: what it was said to have; what others gave it, such as `example.com/dongle`, stays.
    """
    huge_pages = {
        f"{_HUGE_PAGES}{in_bytes(size)}": in_bytes(total)
        for size, total in machine.huge_pages.items()
    }
    return {
        **{name: amount for name, amount in before.items() if "/" in name},
        _CPU: Quantity(str(machine.cpus)),
        _MEMORY: in_bytes(machine.memory_bytes),
        _STORAGE: in_bytes(machine.storage_bytes),
        _PODS: Quantity(str(max_pods)),
        **huge_pages,
    }


def allocatable(
    capacity: Amounts, *, reserved: Amounts, thresholds: Thresholds
) -> dict[str, Quantity]:
    """What of it pods may ask for: neither what is reserved nor what is always to be left.

    As with the kubelet, what is to be left for images is not taken off.

    Raises:
        QuantityError: one of the amounts is none.
    """
    huge_pages = sum(exact(amount) for name, amount in capacity.items() if _is_huge_pages(name))
    kept_back = {
        _MEMORY: _kept(thresholds, Signal.MEMORY, capacity, _MEMORY) + huge_pages,
        _STORAGE: _kept(thresholds, Signal.STORAGE, capacity, _STORAGE),
    }
    left = {
        name: exact(amount) - exact(reserved.get(name, "0")) - kept_back.get(name, 0)
        for name, amount in capacity.items()
    }
    return {name: _written(name, max(amount, Decimal(0))) for name, amount in left.items()}


def _kept(thresholds: Thresholds, signal: Signal, capacity: Amounts, name: str) -> int:
    return thresholds.get(signal, Threshold()).of(int(exact(capacity.get(name, "0"))))


def used_up(capacity: Amounts, allocatable: Amounts) -> list[str]:
    """What the node has, and pods cannot have any of."""
    return sorted(
        name
        for name, amount in capacity.items()
        if exact(amount) > 0 and exact(allocatable.get(name, "0")) == 0
    )


def are_equal(some: Amounts, others: Amounts) -> bool:
    """Whether they mean the same: the API server writes `1k` where it was sent `1000`."""
    return some.keys() == others.keys() and all(
        amount == others[name] or exact(amount) == exact(others[name])
        for name, amount in some.items()
    )


def _is_huge_pages(name: str) -> bool:
    return name.startswith(_HUGE_PAGES)


def _written(name: str, amount: Decimal) -> Quantity:
    is_bytes = name in (_MEMORY, _STORAGE) or _is_huge_pages(name)
    return in_bytes(int(amount)) if is_bytes else from_exact(amount)


def in_bytes(amount: int) -> Quantity:
    """As the API server writes bytes: with the largest suffix that leaves no fraction."""
    steps = 0
    while amount and amount % _STEP == 0 and steps < len(_SUFFIXES) - 1:
        amount //= _STEP
        steps += 1
    return Quantity(f"{amount}{_SUFFIXES[steps]}")
