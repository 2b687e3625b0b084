"""Work out what a container is started with, its environment and arguments; pure.

Owns the meaning of `$(NAME)` and the order in which sources count. Leaves asking for the objects
that variables come from to `env_sources.py`, and `argv[0]` of a container without a command to the
image.
"""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import (
    ConfigMap,
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    ContainerCommon,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    LookupFailed,
    ObjectMeta,
    ObjectMissing,
    Secret,
    SecretEnvSource,
    SecretKeySelector,
    expand,
)


class EnvError(KrustletError):
    """The container's environment cannot be made; the container waits, and it is tried again."""

    reason = "CreateContainerConfigError"


class UnsupportedEnv(EnvError):
    """A variable comes from a source that this build cannot ask."""

    def __init__(self, container: str, what: str, source: str) -> None:
        super().__init__(
            f"container {container!r}: {what} comes from {source}, which is not supported yet",
            hint="write its value into the manifest: env: [{name: …, value: …}]",
        )


class KeyMissing(EnvError):
    """The object is there and lacks the key."""


class NoText(EnvError):
    """A Secret's value is not UTF-8, and a variable cannot be anything else."""


class Arguments(msgspec.Struct, frozen=True):
    """The two halves of argv; where there is no command, the image's own comes first."""

    command: tuple[str, ...]
    args: tuple[str, ...]


class References(msgspec.Struct, frozen=True):
    """The names of the objects that a container's variables come from."""

    config_maps: frozenset[str]
    secrets: frozenset[str]


class Found(msgspec.Struct, frozen=True):
    """What was found under those names; where nothing was, the error that says why."""

    config_maps: Mapping[str, ConfigMap | LookupFailed] = {}
    secrets: Mapping[str, Secret | LookupFailed] = {}


_KeySelector = ConfigMapKeySelector | SecretKeySelector
_Reference = ConfigMapEnvSource | SecretEnvSource | _KeySelector
_OF_SECRETS: Final = SecretEnvSource | SecretKeySelector


def references(container: ContainerCommon) -> References:
    """What has to be asked for before the container's variables can be known."""
    found = list(_references(container))
    return References(
        config_maps=frozenset(r.name for r in found if not isinstance(r, _OF_SECRETS)),
        secrets=frozenset(r.name for r in found if isinstance(r, _OF_SECRETS)),
    )


def _references(container: ContainerCommon) -> Iterator[_Reference]:
    for origin in container.env_from:
        if (reference := origin.config_map_ref or origin.secret_ref) is not None:
            yield reference
    for variable in container.env:
        if (source := _source(variable)) is None:
            continue
        if (selector := source.config_map_key_ref or source.secret_key_ref) is not None:
            yield selector


def _source(variable: EnvVar) -> EnvVarSource | None:
    """Where the variable's value comes from, if it is not written out."""
    return None if variable.value else variable.value_from


def compose(
    container: ContainerCommon,
    found: Found,
    *,
    derived: Callable[[EnvVarSource], str | None],
    services: Mapping[str, str],
) -> dict[str, str]:
    """The container's variables; each may refer to those before it, and the last of a name wins.

    `envFrom` comes first, then `env`; services fill in what is then still unset.

    Args:
        found: the answers to `references`.
        derived: the value of a source that is about the pod or its containers; None for others.
        services: the variables that tell of services.

    Raises:
        LookupFailed: an object cannot be had, or is missing and may not be.
        EnvError: a variable cannot be given.
        ObjectError: whatever `derived` raises.

    Source: kubernetes pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables.
    """
    result: dict[str, str] = {}
    known = ChainMap(result, dict(services))
    for origin in container.env_from:
        result.update(_all_of(container, origin, found))
    for variable in container.env:
        if (source := _source(variable)) is None:
            result[variable.name] = expand(variable.value, known)
            continue
        value = derived(source)
        if value is None:
            value = _one_of(container, variable.name, source, found)
        if value is not None:
            result[variable.name] = value
    return {**services, **result}


def arguments(container: ContainerCommon, env: Mapping[str, str]) -> Arguments:
    """The container's command and args, expanded with `env`."""
    return Arguments(
        command=tuple(expand(part, env) for part in container.command),
        args=tuple(expand(part, env) for part in container.args),
    )


_PART: Final = "part of the environment"

# of ConfigMaps and Secrets ----------------------------------------------------------------------

T = TypeVar("T")


def _all_of(
    container: ContainerCommon, origin: EnvFromSource, found: Found
) -> Iterator[tuple[str, str]]:
    """Each key and its value. What is binary in a ConfigMap becomes no variable."""
    if (of_config_map := origin.config_map_ref) is not None:
        if (config_map := _there(found.config_maps, of_config_map)) is not None:
            for key, value in config_map.data.items():
                yield origin.prefix + key, value
    elif (of_secret := origin.secret_ref) is not None:
        if (secret := _there(found.secrets, of_secret)) is not None:
            for key, data in secret.data.items():
                yield origin.prefix + key, _as_text(data, key, of="Secret", where=secret.metadata)
    else:
        raise UnsupportedEnv(
            container.name, "part of the environment", f"envFrom {described(origin)}"
        )


def _one_of(
    container: ContainerCommon, variable: str, source: EnvVarSource, found: Found
) -> str | None:
    """The value of one key; None if it is missing and may be."""
    if (of_config_map := source.config_map_key_ref) is not None:
        if (config_map := _there(found.config_maps, of_config_map)) is None:
            return None
        return _at(config_map.data, of_config_map, of="ConfigMap", where=config_map.metadata)
    if (of_secret := source.secret_key_ref) is not None:
        if (secret := _there(found.secrets, of_secret)) is None:
            return None
        data = _at(secret.data, of_secret, of="Secret", where=secret.metadata)
        if data is None:
            return None
        return _as_text(data, of_secret.key, of="Secret", where=secret.metadata)
    source_text = f"valueFrom {described(source)}"
    raise UnsupportedEnv(container.name, f"variable {variable!r}", source_text)


def _there(objects: Mapping[str, T | LookupFailed], reference: _Reference) -> T | None:
    """The object referred to; None if it is missing and may be."""
    answer = objects[reference.name]
    if not isinstance(answer, LookupFailed):
        return answer
    if reference.optional and isinstance(answer, ObjectMissing):
        return None
    raise answer


def _at(data: Mapping[str, T], selector: _KeySelector, *, of: str, where: ObjectMeta) -> T | None:
    if selector.key in data or selector.optional:
        return data.get(selector.key)
    raise KeyMissing(
        f"couldn't find key {selector.key} in {of} {where.namespace}/{where.name}",
        hint=f"it has {', '.join(sorted(data)) or 'no keys'}",
    )


def _as_text(data: bytes, key: str, *, of: str, where: ObjectMeta) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass  # not raised from here: that error holds the data, and would be kept as the context
    raise NoText(
        f"key {key} in {of} {where.namespace}/{where.name} is not UTF-8", hint="mount it as a file"
    )


def described(source: EnvFromSource | EnvVarSource) -> str:
    """Which of the source's alternatives is set, by its JSON name and that of its object."""
    for field in msgspec.structs.fields(source):
        value = getattr(source, field.name)
        if field.name != "prefix" and value is not None:
            name = getattr(value, "name", "")
            return f"{field.encode_name} {name!r}" if name else field.encode_name
    return "of a kind unknown here"  # newer than we are, so decoding lost it
