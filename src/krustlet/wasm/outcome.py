"""What a compiler process tells of a module; the cache keeps what is good of it."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

Kind = Literal["module", "unstable", "component"]
_MOST_NAMES: Final = 100
_LONGEST_NAME: Final = 120
_LONGEST_MESSAGE: Final = 2000


class Inspection(msgspec.Struct, frozen=True, tag="ok"):
    """What a module is, told once and kept beside its native code.

    Attributes:
        kind: a core module; one that needs what only `wasi_unstable` had; or a component.
        entry: the export that is to be run; empty if nothing can be.
        exports: names in the module's order, for people: see `shown`.
        missing: imports that nobody here provides, each `module::name`, or `interface#name` of a
            component; for people, too.
        code_digest: `sha256:<hex>` of the native code.
        code_bytes: size of the native code.
    """

    kind: Kind
    entry: str
    exports: list[str]
    missing: list[str]
    code_digest: str
    code_bytes: int


class Rejection(msgspec.Struct, frozen=True, tag="rejected"):
    """Why there is no native code.

    Attributes:
        kind: `changed`, `not-wasm`, `invalid` and `imports` are told by the compiler; `costly` is
            one that ran into a limit, `died` one that ended otherwise than it should.
        message: what the engine says, for a person.
    """

    kind: Literal["changed", "not-wasm", "invalid", "imports", "costly", "died"]
    message: str


Outcome = Inspection | Rejection


def shown(names: Iterable[str]) -> list[str]:
    """As many of the names as a person may want to read, and nothing that upsets a terminal."""
    listed = list(names)
    first = [_printable(name)[:_LONGEST_NAME] for name in listed[:_MOST_NAMES]]
    return first + ([f"{left} more"] if (left := len(listed) - _MOST_NAMES) > 0 else [])


def shortened(message: str) -> str:
    """As much of what the engine says as a person may want to read."""
    text = "\n".join(_printable(line) for line in message.strip().splitlines())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
