"""A file of YAML or JSON as keys that know their lines.

Owns what a file can be instead of a readable one. Leaves which keys there are to `config_file.py`.
Words are kept as they are written: what they mean is for the option that they are for.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from krustlet.settings.errors import ConfigFileError

_LARGEST: Final = 1 << 20
_DEEPEST: Final = 32  # of a KubeletConfiguration's fields none lies deeper than 6
_NULL: Final = "tag:yaml.org,2002:null"
_NOTHING: Final = "there is nothing in it"
# in C, where PyYAML was built with it
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Field(msgspec.Struct, frozen=True):
    """What stands at one place of the file.

    Attributes:
        key: with those above it, as `authorization.mode` or `registerWithTaints[0].key`.
        line: where the key stands, counted from 1.
        content: a word, as it is written; None for `null`; a list of Field; or Field by key.
    """

    key: str
    line: int
    content: Any


def read_document(path: Path) -> Mapping[str, Field]:
    """The keys of the file, by name.

    Raises:
        ConfigFileError: it cannot be read, or holds something else than keys.
    """
    text = _as_yaml(_read(path))
    try:
        _refuse_depths(path, text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as exc:
        raise _complaint(path, text, exc) from exc
    if root is None or root.tag == _NULL:
        raise ConfigFileError(path, _NOTHING, hint="write {} for a file that says nothing")
    if not isinstance(root, yaml.MappingNode):
        raise ConfigFileError(path, "it holds no keys; write `key: value`", line=_line(root))
    fields: Mapping[str, Field] = _content(path, "", root)
    return fields


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)  # of a device, there may be no end
    except OSError as exc:
        raise ConfigFileError(path, f"it cannot be read: {exc.strerror}") from exc
    if len(data) > _LARGEST:
        raise ConfigFileError(path, f"it is longer than {_LARGEST >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigFileError(path, "it is no UTF-8 text", line=line) from exc
    if not text.strip():
        raise ConfigFileError(path, _NOTHING, hint="write {} for a file that says nothing")
    return text


def _as_yaml(text: str) -> str:
    """JSON made YAML for good, which it is but for tabs: in strings there are none. Lines stay."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _refuse_depths(path: Path, text: str) -> None:
    """Before a tree is made of it: that is done by recursion, in C, which has no bounds."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise ConfigFileError(path, "aliases are not read here", line=line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise ConfigFileError(path, f"it is nested more than {_DEEPEST} deep", line=line)


def _complaint(path: Path, text: str, exc: yaml.YAMLError) -> ConfigFileError:
    """In the words of JSON's parser where JSON was meant, else in those of YAML's."""
    if text.lstrip().startswith("{"):
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            words = error.msg[:1].lower() + error.msg[1:]
            return ConfigFileError(path, f"not JSON: {words}", line=error.lineno)
        except RecursionError:
            return ConfigFileError(path, f"it is nested more than {_DEEPEST} deep")
    if not isinstance(exc, yaml.MarkedYAMLError):
        return ConfigFileError(path, f"not YAML: {' '.join(str(exc).split())}")
    mark = exc.problem_mark or exc.context_mark
    words = ", ".join(words for words in (exc.problem, exc.context) if words)
    return ConfigFileError(path, f"not YAML: {words}", line=mark.line + 1 if mark else 0)


def _content(path: Path, key: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _fields(path, key, node)
    if isinstance(node, yaml.SequenceNode):
        return [
            Field(f"{key}[{index}]", _line(item), _content(path, f"{key}[{index}]", item))
            for index, item in enumerate(node.value)
        ]
    return None if node.tag == _NULL else _word(path, key, node)


def _word(path: Path, key: str, node: yaml.Node) -> str:
    word: str = node.value
    if "\0" in word:  # which ends words for the system, and so means another one
        raise ConfigFileError(path, f"{key}: there is a NUL in it", line=_line(node))
    return word


def _fields(path: Path, key: str, node: yaml.MappingNode) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for name_node, value in node.value:
        line = _line(name_node)
        if not isinstance(name_node, yaml.ScalarNode):
            raise ConfigFileError(path, "a key must be a word", line=line)
        name = _word(path, key or "a key", name_node)
        full = f"{key}.{name}" if key else name
        if (earlier := fields.get(name)) is not None:
            raise ConfigFileError(path, f"{full} stands on line {earlier.line} already", line=line)
        fields[name] = Field(full, line, _content(path, full, value))
    return fields


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
