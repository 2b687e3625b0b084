"""What is kept from pods, as administrators say it: reservations, and thresholds. Pure.

Owns which words there are and what they mean. Leaves what follows from them to `resources.py`
(what is offered to pods) and `conditions.py` (when the node says that it is short).

Source: kubernetes pkg/kubelet/eviction/helpers.go, `parseThresholdStatement`;
cmd/kubelet/app/server.go, `parseResourceList`.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from krustlet.node.errors import ReservesInvalid
from krustlet.objects import Quantity, QuantityError, exact, from_exact
from krustlet.settings import DEFAULT_EVICTION_HARD

_PERCENT: Final = re.compile(r"\+?(\d+(?:\.\d*)?)%", re.ASCII)
_WHOLE: Final = 100
_RESERVABLE: Final = ("cpu", "memory", "ephemeral-storage", "pid")


class Signal(StrEnum):
    """What a threshold is about."""

    MEMORY = "memory.available"
    STORAGE = "nodefs.available"
    INODES = "nodefs.inodesFree"
    IMAGE_STORAGE = "imagefs.available"
    IMAGE_INODES = "imagefs.inodesFree"
    TASKS = "pid.available"


_IDLE_SIGNALS: Final = (
    "containerfs.available",  # the kubelet, too, has it say what `nodefs` says
    "containerfs.inodesFree",
    "allocatableMemory.available",  # of a control group that all pods have in common: there is none
)
_IDLE_RESERVATION: Final = "pid"
"""The kubelet limits that group by it, and offers pods no such resource."""

_OWN_DEFAULTS: Final = {Signal.TASKS.value: "5%"}
"""Kubernetes has none for it; here each container is a process."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """So much is to be left: an amount, or a share of all there is, between 0 and 1."""

    amount: int | None = None
    share: Decimal = Decimal(0)

    def of(self, whole: int) -> int:
        """In what `whole` counts."""
        return self.amount if self.amount is not None else int(whole * self.share)


Thresholds = Mapping[str, Threshold]
"""By signal. What is not there is never too little."""


def thresholds(said: Mapping[str, str]) -> dict[str, Threshold]:
    """Each with its signal: `100Mi`, `10%`; as with the kubelet, `0%` and `100%` mean none.

    Raises:
        ReservesInvalid: there is no such signal, or that is no threshold.
    """
    for signal in said:
        if signal not in (*Signal, *_IDLE_SIGNALS):
            raise ReservesInvalid(
                f"there is no eviction signal {signal!r}", hint=f"there are {_listed(Signal)}"
            )
    read = {signal: _threshold(signal, text) for signal, text in {**_OWN_DEFAULTS, **said}.items()}
    return {
        signal: threshold
        for signal, threshold in read.items()
        if threshold is not None and signal not in _IDLE_SIGNALS
    }


def default_thresholds() -> dict[str, Threshold]:
    """Those of Kubernetes."""
    return thresholds(DEFAULT_EVICTION_HARD)


def _threshold(signal: str, text: str) -> Threshold | None:
    if text.endswith("%"):
        return _share(signal, text)
    try:
        amount = exact(text)
    except QuantityError as exc:
        raise ReservesInvalid(
            f"the threshold of {signal} is no amount: {exc.message}",
            hint="write an amount such as 100Mi, or a share such as 10%",
        ) from exc
    if amount <= 0:
        raise ReservesInvalid(
            f"the threshold of {signal} must be more than nothing, not {text}",
            hint="write 0% for none",
        )
    return Threshold(amount=int(amount))


def _share(signal: str, text: str) -> Threshold | None:
    match = _PERCENT.fullmatch(text)
    percent = Decimal(match[1]) if match is not None else None
    if percent is None or percent > _WHOLE:
        raise ReservesInvalid(
            f"the threshold of {signal} is no share: {text!r}", hint="write 0% to 100%"
        )
    return None if percent in (0, _WHOLE) else Threshold(share=percent / _WHOLE)


def reserved(*kinds: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """What is kept for system and kubelet together, by resource.

    Raises:
        ReservesInvalid: that cannot be reserved, or that is no amount.
    """
    together: dict[str, Decimal] = {}
    for kind in kinds:
        for name, amount in kind.items():
            together[name] = together.get(name, Decimal(0)) + _reservation(name, amount)
    return {name: from_exact(amount) for name, amount in together.items()}


def _reservation(name: str, text: Quantity) -> Decimal:
    if name not in _RESERVABLE:
        raise ReservesInvalid(
            f"{name!r} cannot be reserved", hint=f"what can is {_listed(_RESERVABLE)}"
        )
    try:
        amount = exact(text)
    except QuantityError as exc:
        raise ReservesInvalid(
            f"what is reserved of {name} is no amount: {exc.message}", hint=exc.hint
        ) from exc
    if amount < 0:
        raise ReservesInvalid(f"less than nothing cannot be reserved of {name}: {text}")
    return amount


def idle_words(said: Iterable[str]) -> list[str]:
    """Those signals and reservations that mean something to a kubelet, but change nothing here."""
    return sorted({*said} & {*_IDLE_SIGNALS, _IDLE_RESERVATION})


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
