"""What every object carries: its name, labels, owners and history."""

from collections.abc import Mapping

from krustlet.objects.shape import Opaque, Shape


class OwnerReference(Shape, frozen=True, kw_only=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Shape, frozen=True, kw_only=True):
    """Times are RFC 3339 text; `krustlet.objects.from_rfc3339` reads them."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[Opaque, ...] = ()


class LocalObjectReference(Shape, frozen=True, kw_only=True):
    """Something of the pod's own namespace."""

    name: str = ""
