"""What is wrong with an object's name, labels and annotations."""

from collections.abc import Mapping
from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.path import FieldPath
from krustlet.objects.validation.problem import Problem, Problems
from krustlet.objects.validation.syntax import (
    dns_label,
    dns_subdomain,
    label_value,
    qualified_name,
)

_ANNOTATIONS_MAX_BYTES: Final = 256 * 1024


def metadata(at: FieldPath, meta: ObjectMeta) -> Problems:
    yield from _name(at / "name", meta)
    if meta.namespace:
        yield from dns_label(at / "namespace", meta.namespace)
    yield from labels(at / "labels", meta.labels)
    yield from _annotations(at / "annotations", meta.annotations)


def _name(at: FieldPath, meta: ObjectMeta) -> Problems:
    if meta.name:
        yield from dns_subdomain(at, meta.name)
    elif meta.generate_name:
        yield Problem(at, "is missing", "only the API server makes one from `generateName`")
    else:
        yield Problem(at, "is missing")


def labels(at: FieldPath, found: Mapping[str, str]) -> Problems:
    """Also of a node selector."""
    for key, value in found.items():
        yield from qualified_name(at / key, key)
        yield from label_value(at / key, value)


def _annotations(at: FieldPath, found: Mapping[str, str]) -> Problems:
    for key in found:
        # case does not matter here: the key is checked, and thus shown, in lower case
        yield from qualified_name(at / key, key.lower())
    size = sum(len(key.encode()) + len(value.encode()) for key, value in found.items())
    if size > _ANNOTATIONS_MAX_BYTES:
        yield Problem(at, f"{size} bytes are more than the {_ANNOTATIONS_MAX_BYTES} allowed")
