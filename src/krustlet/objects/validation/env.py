"""What is wrong with a container's environment."""

import re
from collections.abc import Collection
from typing import Final

from krustlet.base import did_you_mean
from krustlet.objects.container import ContainerCommon
from krustlet.objects.env import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    SecretKeySelector,
)
from krustlet.objects.path import FieldPath
from krustlet.objects.selector import ObjectFieldSelector, ResourceFieldSelector
from krustlet.objects.shape import Shape
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    exactly_one,
    listed,
    no_step_back,
    quantity,
    required,
)
from krustlet.objects.validation.syntax import config_key, dns_label, env_name, qualified_name
from krustlet.objects.volume import Volume

ENV_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
FILE_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
)
_RESOURCES: Final = tuple(
    f"{kind}.{resource}"
    for kind in ("limits", "requests")
    for resource in ("cpu", "memory", "ephemeral-storage")
)
_HUGE_PAGES: Final = ("limits.hugepages-", "requests.hugepages-")
_SUBSCRIPTED: Final = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]", re.DOTALL)


def environment(at: FieldPath, container: ContainerCommon, volumes: Collection[Volume]) -> Problems:
    for index, source in enumerate(container.env_from):
        yield from _from(at / "envFrom" / index, source)
    for index, var in enumerate(container.env):
        yield from _var(at / "env" / index, var, volumes)


def _from(at: FieldPath, source: EnvFromSource) -> Problems:
    yield from env_name(at / "prefix", source.prefix)
    references = {"configMapRef": source.config_map_ref, "secretRef": source.secret_ref}
    found = [name for name, reference in references.items() if reference is not None]
    yield from exactly_one(at, found, references)
    for name, reference in references.items():
        if reference is not None:
            yield from required(at / name / "name", reference.name)


def _var(at: FieldPath, var: EnvVar, volumes: Collection[Volume]) -> Problems:
    yield from required(at / "name", var.name)
    yield from env_name(at / "name", var.name)
    if var.value_from is None:
        return
    if var.value:
        yield Problem(at / "valueFrom", "cannot stand beside `value`", "keep one of the two")
    yield from _value_from(at / "valueFrom", var.value_from, volumes)


def _value_from(at: FieldPath, source: EnvVarSource, volumes: Collection[Volume]) -> Problems:
    references: dict[str, Shape | None] = {
        "fieldRef": source.field_ref,
        "resourceFieldRef": source.resource_field_ref,
        "configMapKeyRef": source.config_map_key_ref,
        "secretKeyRef": source.secret_key_ref,
        "fileKeyRef": source.file_key_ref,
    }
    found = [name for name, reference in references.items() if reference is not None]
    yield from exactly_one(at, found, references)
    if source.field_ref is not None:
        yield from field_ref(at / "fieldRef", source.field_ref, ENV_FIELDS)
    if source.resource_field_ref is not None:
        yield from resource_field_ref(at / "resourceFieldRef", source.resource_field_ref)
    if source.config_map_key_ref is not None:
        yield from _key_ref(at / "configMapKeyRef", source.config_map_key_ref)
    if source.secret_key_ref is not None:
        yield from _key_ref(at / "secretKeyRef", source.secret_key_ref)
    if source.file_key_ref is not None:
        yield from _file_key_ref(at / "fileKeyRef", source.file_key_ref, volumes)


def field_ref(at: FieldPath, selector: ObjectFieldSelector, known: Collection[str]) -> Problems:
    """Names a field of the pod that can be shown; a label or annotation by its key."""
    path = selector.field_path
    yield from required(at / "fieldPath", path)
    if selector.api_version not in ("", "v1"):
        yield Problem(at / "apiVersion", f"`{selector.api_version}` is not `v1`")
    if subscripted := _SUBSCRIPTED.fullmatch(path):
        where, key = subscripted.groups()
        folded = key.lower() if where == "metadata.annotations" else key
        yield from qualified_name(at / "fieldPath", folded)
    elif path and path not in known:
        hint = did_you_mean(path, known) or f"one of {listed(known)}"
        yield Problem(at / "fieldPath", f"`{path}` cannot be shown here", hint)


def resource_field_ref(at: FieldPath, selector: ResourceFieldSelector) -> Problems:
    yield from required(at / "resource", selector.resource)
    known = selector.resource in _RESOURCES or selector.resource.startswith(_HUGE_PAGES)
    if selector.resource and not known:
        hint = did_you_mean(selector.resource, _RESOURCES) or f"one of {listed(_RESOURCES)}"
        yield Problem(at / "resource", f"`{selector.resource}` cannot be shown here", hint)
    yield from quantity(at / "divisor", selector.divisor)


def _key_ref(at: FieldPath, selector: ConfigMapKeySelector | SecretKeySelector) -> Problems:
    yield from required(at / "name", selector.name)
    yield from required(at / "key", selector.key)
    if selector.key:
        yield from config_key(at / "key", selector.key)


def _file_key_ref(
    at: FieldPath, selector: FileKeySelector, volumes: Collection[Volume]
) -> Problems:
    yield from required(at / "key", selector.key)
    yield from env_name(at / "key", selector.key)
    yield from required(at / "path", selector.path)
    yield from no_step_back(at / "path", selector.path)
    yield from required(at / "volumeName", selector.volume_name)
    if selector.volume_name:
        yield from dns_label(at / "volumeName", selector.volume_name)
        yield from _keeps_files(at / "volumeName", selector.volume_name, volumes)


def _keeps_files(at: FieldPath, name: str, volumes: Collection[Volume]) -> Problems:
    volume = next((volume for volume in volumes if volume.name == name), None)
    if volume is None:
        yield no_such_volume(at, name, volumes)
    elif volume.empty_dir is None:
        yield Problem(at, f"volume `{name}` is no `emptyDir`")


def no_such_volume(at: FieldPath, name: str, volumes: Collection[Volume]) -> Problem:
    known = [volume.name for volume in volumes if volume.name]
    hint = f"the pod has {listed(known)}" if known else "the pod has none: see `spec.volumes`"
    return Problem(at, f"there is no volume `{name}`", did_you_mean(name, known) or hint)
