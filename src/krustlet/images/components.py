"""See from the first bytes of a file what kind of wasm it is, and what a component deals in.

Source: WebAssembly core specification, "Modules" under "Binary Format"; component-model
`Binary.md`, of which imports and exports are read and nothing else.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

MAGIC: Final = b"\0asm"
_MODULE: Final = MAGIC + b"\1\0\0\0"
_COMPONENT: Final = MAGIC + b"\x0d\0\1\0"
_IMPORTS: Final = 10
_EXPORTS: Final = 11
_CORE_SORT: Final = 0
_VERSIONED_NAME: Final = 2


class NotReadable(Exception):
    """It is no wasm, or none that is understood; never leaves the room."""


class Interfaces(msgspec.Struct, frozen=True):
    """What a component needs and offers, by name."""

    imports: list[str]
    exports: list[str]


def interfaces_of(wasm: bytes) -> Interfaces | None:
    """What the component deals in, as far as it is understood; None for a core module.

    Raises:
        NotReadable: it is neither, or ends too early.
    """
    try:
        if wasm.startswith(_MODULE):
            for _ in _sections(wasm):
                pass
            return None
        if wasm.startswith(_COMPONENT):
            return _interfaces(wasm)
    except IndexError as exc:
        raise NotReadable from exc
    raise NotReadable


def _interfaces(wasm: bytes) -> Interfaces:
    found = Interfaces([], [])
    for kind, section in _sections(wasm):
        # Of a section in a form that came up later, what comes before that is all there is.
        with contextlib.suppress(IndexError, UnicodeDecodeError):
            if kind == _IMPORTS:
                found.imports.extend(_names(section, is_export=False))
            elif kind == _EXPORTS:
                found.exports.extend(_names(section, is_export=True))
    return found


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def is_at_end(self) -> bool:
        return self._at >= len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        """An unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def piece(self) -> memoryview:
        size = self.number()
        if self._at + size > len(self._data):
            raise IndexError
        self._at += size
        return self._data[self._at - size : self._at]

    def text(self) -> str:
        return str(self.piece(), "utf-8")


def _sections(wasm: bytes) -> Iterator[tuple[int, memoryview]]:
    reader = _Reader(memoryview(wasm)[len(_COMPONENT) :])
    while not reader.is_at_end():
        kind = reader.byte()
        yield kind, reader.piece()


def _names(section: memoryview, *, is_export: bool) -> Iterator[str]:
    reader = _Reader(section)
    for _ in range(reader.number()):
        form = reader.byte()
        yield reader.text()
        if form == _VERSIONED_NAME:
            reader.text()
        if is_export:
            if reader.byte() == _CORE_SORT:
                reader.byte()
            reader.number()
            if not reader.byte():  # no type is ascribed
                continue
        _skip_type(reader)


def _skip_type(reader: _Reader) -> None:
    """An `externdesc`."""
    kind = reader.byte()
    if kind == 0x00:  # a core module
        reader.byte()
        reader.number()
    elif kind == 0x03:  # a type: one that equals another, or any resource
        if reader.byte() == 0x00:
            reader.number()
    elif kind in (0x01, 0x04, 0x05):  # a function, component, instance
        reader.number()
    else:
        raise IndexError  # values, which nothing makes yet
