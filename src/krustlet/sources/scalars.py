"""What a word of YAML means, read as Kubernetes' own tools read it.

PyYAML and go-yaml, which is behind `kubectl`, both speak YAML 1.1, but with different accents: to
go-yaml `y` is true, `0o17` is 15, `08` and `1e3` are floats; dates and `12:30` are strings.

Source: go-yaml v2 `resolve.go`, vendored by sigs.k8s.io/yaml.
"""

import re
from typing import Any, Final

import yaml

from krustlet.sources.errors import SourceError

YAML_TAG: Final = "tag:yaml.org,2002:"
MERGE_TAG: Final = f"{YAML_TAG}merge"
NULL_TAG: Final = f"{YAML_TAG}null"

_TRUE: Final = ("y", "yes", "true", "on")
_FALSE: Final = ("n", "no", "false", "off")
_SPECIAL_FLOATS: Final = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_BASES: Final = {"0b": 2, "0o": 8, "0x": 16}

_WORDS: Final = {
    "null": r"~|null|Null|NULL|",
    "merge": r"<<",
    "bool": "|".join(
        form for word in (*_TRUE, *_FALSE) for form in (word, word.capitalize(), word.upper())
    ),
    "int": r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)",
    "float": (
        r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}

# in C, ten times faster, wherever PyYAML was built with it
_Parser: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Loader: Final[Any] = type("Loader", (_Parser,), {"yaml_implicit_resolvers": {}})
for _tag, _pattern in _WORDS.items():
    Loader.add_implicit_resolver(f"{YAML_TAG}{_tag}", re.compile(rf"(?:{_pattern})\Z"), None)

Scalar = str | int | float | bool | None


class NoScalar(SourceError):
    """The word is not what its tag says, or the tag is none of YAML's own."""


def scalar(node: yaml.ScalarNode) -> Scalar:
    """The value of a single word.

    Raises:
        NoScalar: it has none.
    """
    meant = node.tag.removeprefix(YAML_TAG)
    try:
        return _value(node, meant)
    except ValueError as exc:
        raise NoScalar(f"`{node.value}` is no {meant}") from exc


def _value(node: yaml.ScalarNode, meant: str) -> Scalar:
    text: str = node.value
    match meant:
        case "str" | "merge" | "timestamp":
            return text
        case "null":
            return None
        case "bool":
            return _bool(text.lower())
        case "int":
            return _int(text.replace("_", ""))
        case "float":
            return float(_SPECIAL_FLOATS.get(text.lower(), text.replace("_", "")))
        case _:
            raise NoScalar(f"the tag `{node.tag}` means nothing here")


def _bool(text: str) -> bool:
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return text in _TRUE


def _int(text: str) -> int:
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2], 8 if digits.startswith("0") else 10)
    return int(text, base)
