"""A value of a configuration file, in a shape that the option it is for takes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from krustlet.base import did_you_mean
from krustlet.settings.document import Field
from krustlet.settings.errors import ConfigFileError
from krustlet.settings.keys import Shape

_TAINT: Final = ("key", "value", "effect", "timeAdded")
_TAINT_HINT: Final = "write key, value and effect of each taint, or key=value:Effect"
_WANTED: Final = {
    Shape.WORD: "a single value is wanted",
    Shape.PATH: "the path of a file is wanted",
    Shape.LIST: "a list is wanted, such as [a, b]",
    Shape.KEYS: "keys are wanted, such as {a: b}",
    Shape.PAIRS: "keys are wanted, such as {a: b}",
    Shape.TAINTS: "a list is wanted",
}


def value_for(path: Path, field: Field, shape: Shape) -> Any:
    """What the option is given.

    Args:
        path: of the file; relative paths in it are relative to its directory.
        field: its content is not None.

    Raises:
        ConfigFileError: something of another shape stands there.
    """
    content = field.content
    if isinstance(content, str):
        return _of_word(path, content, shape)
    match shape:
        case Shape.LIST if isinstance(content, list):
            return [_word(path, item) for item in content]
        case Shape.TAINTS if isinstance(content, list):
            return [_taint(path, item) for item in content]
        case Shape.KEYS if isinstance(content, Mapping):
            return {name: _word(path, below) for name, below in content.items()}
        case Shape.PAIRS if isinstance(content, Mapping):
            return [(name, _word(path, below)) for name, below in content.items()]
    raise ConfigFileError(path, f"{field.key}: {_WANTED[shape]}", line=field.line)


def _of_word(path: Path, word: str, shape: Shape) -> Any:
    if shape is Shape.PATH and word:
        return str(path.parent.absolute() / os.path.expanduser(word))
    return [word] if shape is Shape.PAIRS else word


def _word(path: Path, field: Field) -> str:
    if field.content is None:
        return ""
    if not isinstance(field.content, str):
        raise ConfigFileError(path, f"{field.key}: {_WANTED[Shape.WORD]}", line=field.line)
    return field.content


def _taint(path: Path, field: Field) -> str:
    """As the command line has it."""
    if not isinstance(field.content, Mapping):
        return _word(path, field)
    for name, below in field.content.items():
        if name not in _TAINT:
            message = f"{below.key}: there is no such field of a taint"
            hint = did_you_mean(name, _TAINT)
            raise ConfigFileError(path, message, line=below.line, hint=hint)
    words = {name: _word(path, below) for name, below in field.content.items()}
    if not (words.get("key") and words.get("effect")):
        message = f"{field.key}: key and effect are needed"
        raise ConfigFileError(path, message, line=field.line, hint=_TAINT_HINT)
    value = f"={words['value']}" if words.get("value") else ""
    return f"{words['key']}{value}:{words['effect']}"
