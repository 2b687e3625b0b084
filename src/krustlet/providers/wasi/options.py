"""What a node may set of this provider: `KEY=VALUE`, each checked before anything starts."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from krustlet.provider import ProviderOptionInvalid
from krustlet.wasm import DEFAULT_MAX_BYTES, MAX_STACK_BYTES, OPTIMISATIONS, EngineSettings

_SIZE: Final = re.compile(r"(\d+)(|[KMGT]i?)")
_UNITS: Final = {
    "": 1,
    **{f"{letter}i": 1 << 10 * power for power, letter in enumerate("KMGT", 1)},
    **{letter: 1000**power for power, letter in enumerate("KMGT", 1)},
}
_SWITCH: Final = {"true": True, "false": False}
_LEAST_STACK_BYTES: Final = 64 << 10
_PAGE_BYTES: Final = 64 << 10  # of WebAssembly


class WasiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options, parsed.

    Attributes:
        settings: of the engine.
        cache_bytes: how much native code is kept.
    """

    settings: EngineSettings = EngineSettings()
    cache_bytes: int = DEFAULT_MAX_BYTES


def parse(options: Mapping[str, str]) -> WasiOptions:
    """The options of a node.

    Raises:
        ProviderOptionInvalid: there is no such option, or it cannot have this value.
    """
    found: dict[str, Any] = {}
    for name, text in options.items():
        if name not in _OPTIONS:
            known = ", ".join(sorted(_OPTIONS))
            raise ProviderOptionInvalid(f"provider option {name!r} is unknown; there are: {known}")
        field, read, wanted = _OPTIONS[name]
        value = read(text)
        if value is None:
            raise ProviderOptionInvalid(f"provider option {name}={text}: it has to be {wanted}")
        found[field] = value
    cache_bytes = found.pop("cache_bytes", DEFAULT_MAX_BYTES)
    return WasiOptions(settings=EngineSettings(**found), cache_bytes=cache_bytes)


def _size(text: str, *, least: int = 0, most: int = 1 << 50) -> int | None:
    match = _SIZE.fullmatch(text)
    value = int(match[1]) * _UNITS[match[2]] if match else -1
    return value if least <= value <= most else None


def _optimisation(text: str) -> str | None:
    name = text.replace("-", "_")
    return name if name in OPTIMISATIONS else None


def _stack(text: str) -> int | None:
    return _size(text, least=_LEAST_STACK_BYTES, most=MAX_STACK_BYTES)


def _memory(text: str) -> int | None:
    return _size(text, least=_PAGE_BYTES)


_OPTIONS: Final[dict[str, tuple[str, Callable[[str], object], str]]] = {
    "simd": ("simd", _SWITCH.get, "true or false"),
    "threads": ("threads", _SWITCH.get, "true or false"),
    "max-stack": ("max_stack_bytes", _stack, "a size from 64Ki to 2Mi"),
    "max-memory": ("max_memory_bytes", _memory, "a size of at least 64Ki, as in 512Mi"),
    "optimisation": ("optimisation", _optimisation, "none, speed or speed-and-size"),
    "cache-size": ("cache_bytes", _size, "a size, as in 2Gi"),
}
