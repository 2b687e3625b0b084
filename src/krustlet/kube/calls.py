"""Requests as they go over the wire: paths, queries, bodies.

Leaves sending them to `session.py`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from krustlet.objects import Resource

JSON: Final = "application/json"

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]*", re.ASCII)
_NO_NAMES: Final = ("", ".", "..")  # the last two would lead to another object's path


class Call(msgspec.Struct, frozen=True):
    """One request.

    Attributes:
        path: with the query, as it goes over the wire.
        content_type: of the body, if there is one.
        repeatable: whether doing it twice does what doing it once does.
    """

    method: str
    path: str
    body: bytes | None = None
    content_type: str = ""
    repeatable: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


def collection_path(
    resource: Resource[Any], namespace: str, params: Mapping[str, str] | None = None
) -> str:
    """Where the objects of a kind are: in one namespace, or, if none is given, in all of them.

    Raises:
        ValueError: this kind has no namespaces, or that is no name of one.
    """
    root = f"/apis/{resource.group}" if resource.group else "/api"
    if namespace:
        if not resource.namespaced:
            raise ValueError(f"{resource.plural} are in no namespace, not in {namespace!r}")
        root = f"{root}/{resource.version}/namespaces/{_part(namespace)}/{resource.plural}"
    else:
        root = f"{root}/{resource.version}/{resource.plural}"
    return f"{root}?{urlencode(params)}" if params else root


def object_path(
    resource: Resource[Any],
    namespace: str,
    name: str,
    subresource: str = "",
    params: Mapping[str, str] | None = None,
) -> str:
    """Where one object is, or a part of it.

    Raises:
        ValueError: the name cannot be one, or the namespace is missing. Nothing is what it would
            seem then: to delete the object without a name is to delete all of them.
    """
    if resource.namespaced and not namespace:
        raise ValueError(f"{resource.kind} {name!r} is in some namespace: which?")
    path = f"{collection_path(resource, namespace)}/{_part(name)}"
    if subresource:
        path = f"{path}/{_part(subresource)}"
    return f"{path}?{urlencode(params)}" if params else path


def _part(name: str) -> str:
    if name in _NO_NAMES:
        raise ValueError(f"{name!r} names nothing")
    # Quoting what needs none costs as much as all the rest of a path.
    return name if _PLAIN.fullmatch(name) else quote(name, safe=":")


def selection(field_selector: str, label_selector: str) -> dict[str, str]:
    """The query that chooses objects."""
    params = {}
    if field_selector:
        params["fieldSelector"] = field_selector
    if label_selector:
        params["labelSelector"] = label_selector
    return params


def body_of(resource: Resource[Any], obj: object) -> bytes:
    """`obj` as JSON; a mapping is told what it is, where it does not say so itself."""
    if isinstance(obj, Mapping):
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    return msgspec.json.encode(obj)
