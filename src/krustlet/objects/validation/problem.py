"""One thing wrong with an object, and the checks that fit any field."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from krustlet.base import did_you_mean
from krustlet.objects.errors import QuantityError
from krustlet.objects.path import FieldPath
from krustlet.objects.quantity import exact

_PORT_MAX = 65535
_FILE_MODE_MAX = 0o777


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, where, and what to do about it.

    `path` may name a field that is absent: then that is what is wrong.
    """

    path: FieldPath
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


Problems = Iterator[Problem]


def required(at: FieldPath, value: object, *, hint: str = "") -> Problems:
    """Not None, and not empty."""
    if value in (None, "", 0):
        yield Problem(at, "is missing", hint)


def one_of(at: FieldPath, value: str | None, words: type[StrEnum]) -> Problems:
    """One of the words, or not set at all."""
    if value and value not in tuple(words):
        known = [str(word) for word in words if word]
        hint = did_you_mean(value, known)
        yield Problem(at, f"`{value}` is none of {listed(known)}", hint)


def exactly_one(at: FieldPath, found: Sequence[str], known: Iterable[str]) -> Problems:
    """One of several ways to say something."""
    if not found:
        yield Problem(at, f"needs one of {listed(known)}")
    elif len(found) > 1:
        yield Problem(at, f"has {listed(found)}, but only one of them can be", "keep one")


def within(at: FieldPath, value: int | None, *, least: int, most: int | None = None) -> Problems:
    if value is None:
        return
    if most is None and value < least:
        yield Problem(at, f"{value} is less than {least}")
    elif most is not None and not least <= value <= most:
        yield Problem(at, f"{value} is not between {least} and {most}")


def port_number(at: FieldPath, value: int) -> Problems:
    return within(at, value, least=1, most=_PORT_MAX)


def file_mode(at: FieldPath, value: int | None) -> Problems:
    if value is not None and not 0 <= value <= _FILE_MODE_MAX:
        yield Problem(
            at,
            f"{value} is no file mode",
            f"from 0 to {_FILE_MODE_MAX}; in YAML also octal: 0644 is {0o644}",
        )


def quantity(at: FieldPath, value: str | None) -> Problems:
    """Readable, and not negative."""
    if value is None:
        return
    try:
        amount = exact(value)
    except QuantityError as exc:
        yield Problem(at, exc.message, exc.hint)
        return
    if amount < 0:
        yield Problem(at, f"`{value}` is negative")


def unique(at: FieldPath, names: Iterable[str], *, field: str) -> Problems:
    """Of a list of named things, each has a name of its own; empty ones are another matter."""
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and first.setdefault(name, index) != index:
            yield Problem(at / index / field, f"`{name}` is already taken by {at / first[name]}")


def relative_path(at: FieldPath, value: str) -> Problems:
    """A path that stays below where it starts."""
    if value.startswith("/"):
        yield Problem(at, f"`{value}` must be relative", "drop the leading `/`")
    yield from no_step_back(at, value)


def no_step_back(at: FieldPath, value: str) -> Problems:
    if ".." in value.split("/"):
        yield Problem(at, f"`{value}` must not contain `..`")


def listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
