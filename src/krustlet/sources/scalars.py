"""What a plain word of YAML means, read as Kubernetes' own tools read it.

Source: sigs.k8s.io/yaml, which reads YAML 1.1 without its dates and its numbers to the base 60.
"""

import re
from typing import Final

import yaml
from yaml.constructor import SafeConstructor

from krustlet.sources.errors import SourceError

YAML_TAG: Final = "tag:yaml.org,2002:"
_MODERN_OCTAL: Final = re.compile(r"[-+]?0o[0-7]+")  # of YAML 1.2
_INT64: Final = range(-(1 << 63), 1 << 63)

_constructor: Final = SafeConstructor()

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
        value = _constructed(node, meant)
    except (KeyError, ValueError) as exc:
        raise NoScalar(f"`{node.value}` is no {meant}") from exc
    if isinstance(value, int) and value not in _INT64:
        raise NoScalar(f"{value} needs more than 64 bits")
    return value


def _constructed(node: yaml.ScalarNode, meant: str) -> Scalar:
    text: str = node.value
    match meant:
        case "null":
            return None
        case "bool":
            return bool(_constructor.construct_yaml_bool(node))
        case "int" if ":" not in text:
            return int(_constructor.construct_yaml_int(node))
        case "float" if ":" not in text:
            return float(_constructor.construct_yaml_float(node))
        case "str" if node.style is None and _MODERN_OCTAL.fullmatch(text):
            return int(text, 8)
        case "str" | "timestamp" | "value" | "merge" | "int" | "float":
            return text
        case _:
            raise NoScalar(f"the tag `{node.tag}` means nothing here")
