"""Nodes of YAML as values of the shapes, with every complaint and the line it is about.

The shapes themselves take what they are given, as an API server may be newer than this tree; a
person is told of each field that nobody knows and of each value of the wrong type.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin

import yaml
from msgspec import UNSET
from msgspec.structs import FieldInfo, fields

from krustlet.base import did_you_mean
from krustlet.objects import FieldPath, Quantity, Shape
from krustlet.sources.errors import Complaint
from krustlet.sources.scalars import MERGE_TAG, YAML_TAG, NoScalar, scalar
from krustlet.sources.yaml_tree import complain, is_null

_COLLECTIONS: Final = (f"{YAML_TAG}map", f"{YAML_TAG}seq")
_QUANTITY_HINT: Final = "such as 250m, 1.5 or 64Mi"
_INT64: Final = range(-(1 << 63), 1 << 63)
_SHORT: Final = 40  # what is longer helps nobody when it is shown again
_BOOLS: Final = ("true", "false", "yes", "no", "on", "off")

S = TypeVar("S", bound=Shape)


class Entry(NamedTuple):
    """One line of a mapping."""

    key: str
    key_node: yaml.Node
    value: yaml.Node


class ShapeReader:
    """Reads nodes, and collects what is wrong with them in `complaints`."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []

    def read(self, node: yaml.Node, shape: type[S], at: FieldPath) -> S | None:
        """The shape; where something in it was wrong, None, and there are new complaints."""
        before = len(self.complaints)
        value = self._shape(node, shape, at)
        return value if isinstance(value, shape) and len(self.complaints) == before else None

    def entries(self, node: yaml.Node, at: FieldPath) -> list[Entry]:
        """The lines of a mapping, merged ones last; none where it is no mapping."""
        if not self._is_a(yaml.MappingNode, node, "mapping", at):
            return []
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value in node.value:
            if key_node.tag == MERGE_TAG:
                for entry in self._merged(value, at):
                    merged.setdefault(entry.key, entry)
            elif (key := self._key(key_node, at)) is not None:
                first = own.setdefault(key, Entry(key, key_node, value))
                if first.key_node is not key_node:
                    there = f"the first is in line {first.key_node.start_mark.line + 1}"
                    self._complain(key_node, at / key, "is there twice", there)
        return [*own.values(), *(entry for key, entry in merged.items() if key not in own)]

    def items(self, node: yaml.Node, at: FieldPath, *, of_words: bool = False) -> list[yaml.Node]:
        """The items of a list; none where it is no list."""
        is_list = self._is_a(yaml.SequenceNode, node, "list", at, of_words=of_words)
        return list(node.value) if is_list else []

    def unknown(self, entry: Entry, at: FieldPath, known: Mapping[str, object]) -> None:
        """Complain of a field that does not exist."""
        hint = did_you_mean(entry.key, known)
        self._complain(entry.key_node, at / entry.key, "unknown field", hint)

    def text(self, node: yaml.Node, at: FieldPath) -> str | None:
        """A single word."""
        value = self._word(node, (str,), at)
        return value if isinstance(value, str) else None

    def _complain(self, node: yaml.Node, at: FieldPath, message: str, hint: str = "") -> None:
        where = f"{at}: " if at.steps else ""
        self.complaints.append(complain(node, f"{where}{message}", hint))

    def _merged(self, node: yaml.Node, at: FieldPath) -> Iterator[Entry]:
        """What `<<` brings in: a mapping, or several of which the first has the last word."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            yield from self.entries(source, at)

    def _key(self, node: yaml.Node, at: FieldPath) -> str | None:
        """As Kubernetes has it: a number or a truth value is as good as its name."""
        value = self._scalar(node, at)
        match value:
            case str():
                return value
            case bool():
                return str(value).lower()
            case int():
                return str(value)
            case float():
                return str(node.value)
        if value is None:
            self._complain(node, at, f"expected str as a key, got {_kind(node)}")
        return None

    def _value(self, node: yaml.Node, wanted: object, at: FieldPath) -> object:
        """The value of the type that is wanted, or UNSET with a complaint."""
        if wanted is Any:
            return self._anything(node, at)
        if wanted is Quantity:
            return self._quantity(node, at)
        if isinstance(wanted, type) and issubclass(wanted, Shape):
            return self._shape(node, wanted, at)
        origin, arguments = get_origin(wanted), get_args(wanted)
        if origin is tuple:
            return self._list(node, arguments[0], at)
        if origin in (dict, Mapping):
            return self._map(node, arguments[1], at)
        if origin in (Union, UnionType):
            return self._either(node, [one for one in arguments if one is not NoneType], at)
        return self._word(node, (wanted,), at)

    def _either(self, node: yaml.Node, wanted: list[object], at: FieldPath) -> object:
        if len(wanted) == 1:
            return self._value(node, wanted[0], at)
        return self._word(node, tuple(wanted), at)

    def _shape(self, node: yaml.Node, shape: type[S], at: FieldPath) -> object:
        known = _fields(shape)
        values: dict[str, object] = {}
        for entry in self.entries(node, at):
            field = known.get(entry.key)
            if field is None:
                self.unknown(entry, at, known)
            elif not is_null(entry.value):  # Kubernetes: as if it were not there
                values[field.name] = self._value(entry.value, field.type, at / entry.key)
        absent = [field for field in known.values() if field.required and field.name not in values]
        if isinstance(node, yaml.MappingNode):
            for field in absent:
                self._complain(node, at / field.encode_name, "is missing")
        return UNSET if absent or UNSET in values.values() else shape(**values)

    def _map(self, node: yaml.Node, wanted: object, at: FieldPath) -> object:
        values = {}
        for entry in self.entries(node, at):
            is_empty = wanted is str and is_null(entry.value)  # Kubernetes: an empty string
            value = "" if is_empty else self._value(entry.value, wanted, at / entry.key)
            values[entry.key] = value
        return values

    def _list(self, node: yaml.Node, wanted: object, at: FieldPath) -> object:
        of_words = not (isinstance(wanted, type) and issubclass(wanted, Shape))
        items = enumerate(self.items(node, at, of_words=of_words))
        return tuple(self._value(item, wanted, at / index) for index, item in items)

    def _anything(self, node: yaml.Node, at: FieldPath) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._map(node, Any, at)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(self.items(node, at))
            return [self._anything(item, at / index) for index, item in items]
        return self._number(self._scalar(node, at), node, (), at)

    def _number(
        self, value: object, node: yaml.Node, wanted: tuple[object, ...], at: FieldPath
    ) -> object:
        """As JSON would carry it: `1.0` is as good a whole number as `1`, and 64 bits are all."""
        if int in wanted and isinstance(value, float) and value.is_integer():
            value = int(value)
        match value:
            case int() if value not in _INT64:
                self._complain(node, at, f"{value} needs more than 64 bits")
                return UNSET
            case float() if not isfinite(value):
                self._complain(node, at, f"`{node.value}` is a number that JSON does not have")
                return UNSET
        return value

    def _quantity(self, node: yaml.Node, at: FieldPath) -> object:
        """Numbers are fine too, and lose no digit."""
        value = self._scalar(node, at)
        match value:
            case str():
                return value
            case float():
                return str(node.value).replace("_", "")
            case int() if not isinstance(value, bool):
                return str(value)
        if value is not UNSET:
            self._complain(node, at, f"expected quantity, got {_kind(node)}", _QUANTITY_HINT)
        return UNSET

    def _word(self, node: yaml.Node, wanted: tuple[object, ...], at: FieldPath) -> object:
        value = self._number(self._scalar(node, at), node, wanted, at)
        if value is UNSET or (value is not None and type(value) in wanted):
            return value
        names = " or ".join(getattr(one, "__name__", str(one)) for one in wanted)
        hint = _word_hint(node, wanted)
        self._complain(node, at, f"expected {names}, got {_kind(node)}", hint)
        return UNSET

    def _scalar(self, node: yaml.Node, at: FieldPath) -> object:
        """The value of a word; None for what is no word, UNSET with a complaint for a bad one."""
        if not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return scalar(node)
        except NoScalar as exc:
            self._complain(node, at, exc.message)
            return UNSET

    def _is_a(
        self,
        kind: type[yaml.Node],
        node: yaml.Node,
        name: str,
        at: FieldPath,
        *,
        of_words: bool = False,
    ) -> bool:
        if not isinstance(node, kind):
            hint = _collection_hint(node, name, of_words=of_words)
            self._complain(node, at, f"expected {name}, got {_kind(node)}", hint)
            return False
        if node.tag not in _COLLECTIONS:
            self._complain(node, at, f"the tag `{node.tag}` means nothing here")
            return False
        return True


def place(node: yaml.Node, path: FieldPath) -> yaml.Node:
    """The node at the end of the path, or the last one on the way to it."""
    for step in path.steps:
        below = _step(node, step)
        if below is None:
            return node
        node = below
    return node


def lookup(node: yaml.Node, key: str) -> yaml.Node | None:
    """The value of a key, and no complaint where there is none."""
    entries = ShapeReader().entries(node, FieldPath())
    return next((entry.value for entry in entries if entry.key == key), None)


def _step(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(step, str):
        return lookup(node, step)
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    return items[step] if step < len(items) else None


@cache
def _fields(shape: type[Shape]) -> dict[str, FieldInfo]:
    return {field.encode_name: field for field in fields(shape)}


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "mapping"
    if isinstance(node, yaml.SequenceNode):
        return "list"
    assert isinstance(node, yaml.ScalarNode)  # there is no fourth kind
    try:
        value = scalar(node)
    except NoScalar:
        return f"`{node.tag}`"
    return "null" if value is None else type(value).__name__


def _word_hint(node: yaml.Node, wanted: tuple[object, ...]) -> str:
    if not isinstance(node, yaml.ScalarNode) or len(node.value) > _SHORT:
        return ""
    if str in wanted and not is_null(node):
        return f'write it in quotes: "{node.value}"'
    is_number = int in wanted and node.value.lstrip("+-").isdecimal()
    is_bool = bool in wanted and node.value.lower() in _BOOLS
    return "write it without quotes" if node.style and (is_number or is_bool) else ""


def _collection_hint(node: yaml.Node, wanted: str, *, of_words: bool) -> str:
    if wanted != "list" or is_null(node):
        return ""
    if isinstance(node, yaml.MappingNode) or not of_words:
        return "begin each item with `- `"
    return f'write a list: ["{node.value}"]' if len(node.value) <= _SHORT else ""
