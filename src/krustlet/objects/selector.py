"""Pointing at a field, a resource or a key: shared by environments and volumes."""

from krustlet.objects.quantity import Quantity
from krustlet.objects.shape import Shape


class ObjectFieldSelector(Shape, frozen=True, kw_only=True):
    """A field of the pod, such as `metadata.labels['app']`."""

    api_version: str = ""
    field_path: str = ""


class ResourceFieldSelector(Shape, frozen=True, kw_only=True):
    """A container's limit or request, such as `limits.cpu`, counted in `divisor`s."""

    container_name: str = ""
    resource: str = ""
    divisor: Quantity | None = None


class KeyToPath(Shape, frozen=True, kw_only=True):
    """One key of a ConfigMap or Secret, and the file it becomes."""

    key: str = ""
    path: str = ""
    mode: int | None = None
