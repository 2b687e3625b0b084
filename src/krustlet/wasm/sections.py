"""The binary format of core modules, as far as their imports.

Nothing here is trusted: a module that does not keep to the format is `Malformed`, wherever it
strays. Leaves to the engine whether a module that does is valid.

Source: WebAssembly core specification, "Binary Format": "Values", "Types" and "Modules".
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

MAGIC: Final = b"\0asm"
MODULE_LAYER: Final = b"\x01\0\0\0"
COMPONENT_LAYER: Final = b"\x01\0"
_HEADER_BYTES: Final = 8  # the magic number, the version, the layer
_IMPORT_SECTION: Final = 2

_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)
_REFERENCES_TO: Final = (0x63, 0x64)  # followed by what to; every other type is a single byte
_HAS_MAXIMUM, _IS_SHARED, _IS_64_BIT, _HAS_PAGE_SIZE = 1, 2, 4, 8


class Malformed(Exception):
    """These bytes are not what the format has in their place."""


class Import(NamedTuple):
    """An import; `what` is its kind and its type, as they are in the module."""

    module: bytes
    name: bytes
    what: bytes


def is_component(binary: bytes) -> bool:
    """Whether it is of the component model; otherwise it is a core module, or nothing."""
    return binary.startswith(MAGIC) and binary[6:8] == COMPONENT_LAYER


def read_imports(module: bytes) -> tuple[int, int, list[Import]]:
    """A module's imports, and where their section begins and ends; empty at 0 if it has none.

    Raises:
        Malformed: what comes before, or the section itself, is not of the format.
    """
    if not module.startswith(MAGIC + MODULE_LAYER):
        raise Malformed("it is no core module")
    for id_, start, content, end in _sections(module):
        if id_ == _IMPORT_SECTION:
            return start, end, list(_imports(_Reader(module, content, end)))
    return 0, 0, []


def import_section(imports: list[Import]) -> bytes:
    """A section that `read_imports` reads as `imports`."""
    words = [number(len(imports))]
    for module, name, what in imports:
        words += [number(len(module)), module, number(len(name)), name, what]
    content = b"".join(words)
    return bytes([_IMPORT_SECTION]) + number(len(content)) + content


def number(value: int) -> bytes:
    """`value` in LEB128, unsigned, as short as it can be."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """Bytes read one after the other, never beyond the end of them."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data = data
        self._end = end
        self.at = at

    @property
    def is_at_end(self) -> bool:
        return self.at == self._end

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        start = self.at
        if size > self._end - start:
            raise Malformed(f"it ends where {size} bytes are to follow")
        self.at = start + size
        return self._data[start : self.at]

    def number(self, bits: int = 32) -> int:
        value = 0
        for shift in range(0, bits, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> bits:
                    break
                return value
        raise Malformed(f"a number of over {bits} bits")

    def name(self) -> bytes:
        return self.take(self.number())


def _sections(module: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Id, beginning, beginning of the content, and end of each section."""
    reader = _Reader(module, _HEADER_BYTES, len(module))
    while not reader.is_at_end:
        start = reader.at
        id_, size = reader.byte(), reader.number()
        content = reader.at
        reader.take(size)
        yield id_, start, content, reader.at


def _imports(reader: _Reader) -> Iterator[Import]:
    for _ in range(reader.number()):
        module, name = reader.name(), reader.name()
        start = reader.at
        _skip_type(reader)
        size, reader.at = reader.at - start, start
        yield Import(module, name, reader.take(size))
    if not reader.is_at_end:
        raise Malformed("bytes are left at the end of the imports")


def _skip_type(reader: _Reader) -> None:
    kind = reader.byte()
    if kind == _FUNCTION:
        reader.number()
    elif kind == _TABLE:
        _skip_value_type(reader)
        _skip_limits(reader)
    elif kind == _MEMORY:
        _skip_limits(reader)
    elif kind == _GLOBAL:
        _skip_value_type(reader)
        reader.byte()  # whether it can be changed
    elif kind == _TAG:
        reader.byte()  # an attribute
        reader.number()
    else:
        raise Malformed(f"an import of the unknown kind {kind}")


def _skip_value_type(reader: _Reader) -> None:
    if reader.byte() in _REFERENCES_TO:
        reader.number(33)


def _skip_limits(reader: _Reader) -> None:
    flags = reader.byte()
    if flags > _HAS_MAXIMUM | _IS_SHARED | _IS_64_BIT | _HAS_PAGE_SIZE:
        raise Malformed(f"limits of the unknown kind {flags}")
    reader.number(64)
    if flags & _HAS_MAXIMUM:
        reader.number(64)
    if flags & _HAS_PAGE_SIZE:
        reader.number()
