"""ConfigMaps and Secrets: what pods are configured with, kept apart from them."""

from collections.abc import Mapping
from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape


class ConfigMap(Shape, frozen=True, kw_only=True):
    """No key is in both `data` and `binary_data`."""

    api_version: str = "v1"
    kind: str = "ConfigMap"
    metadata: ObjectMeta = ObjectMeta()
    data: Mapping[str, str] = {}
    binary_data: Mapping[str, bytes] = {}
    immutable: bool | None = None


class Secret(Shape, frozen=True, kw_only=True):
    """Like a ConfigMap, of bytes that are nobody else's business: its repr shows only the keys.

    Attributes:
        type: `Opaque`, or what it promises to hold, such as `kubernetes.io/dockerconfigjson`.
    """

    api_version: str = "v1"
    kind: str = "Secret"
    metadata: ObjectMeta = ObjectMeta()
    data: Mapping[str, bytes] = {}
    type: str = ""
    immutable: bool | None = None

    def __repr__(self) -> str:
        # Neither its annotations: `kubectl apply` keeps all that it was given in one of them.
        where = f"{self.metadata.namespace}/{self.metadata.name}"
        return f"Secret({where!r}, type={self.type!r}, keys={sorted(self.data)})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("name", self.metadata.name), ("keys", sorted(self.data))]


CONFIG_MAPS: Final = Resource(plural="configmaps", kind="ConfigMap", type=ConfigMap)
SECRETS: Final = Resource(plural="secrets", kind="Secret", type=Secret)
