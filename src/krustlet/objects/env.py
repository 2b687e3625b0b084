"""A container's environment variables and where their values come from."""

from krustlet.objects.selector import ObjectFieldSelector, ResourceFieldSelector
from krustlet.objects.shape import Shape


class ConfigMapKeySelector(Shape, frozen=True, kw_only=True):
    name: str = ""
    key: str = ""
    optional: bool | None = None


class SecretKeySelector(Shape, frozen=True, kw_only=True):
    name: str = ""
    key: str = ""
    optional: bool | None = None


class FileKeySelector(Shape, frozen=True, kw_only=True):
    """A key of a file that an earlier container wrote into an `emptyDir`."""

    volume_name: str = ""
    path: str = ""
    key: str = ""
    optional: bool | None = None


class EnvVarSource(Shape, frozen=True, kw_only=True):
    """Exactly one is set."""

    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(Shape, frozen=True, kw_only=True):
    name: str = ""
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(Shape, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class SecretEnvSource(Shape, frozen=True, kw_only=True):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(Shape, frozen=True, kw_only=True):
    """All keys of one ConfigMap or Secret, each with `prefix` before it."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None
