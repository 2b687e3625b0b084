"""Work out what a container is started with, its environment and arguments; pure.

Owns the meaning of `$(NAME)`. Leaves `argv[0]` of a container without a command to the image.
"""

from collections.abc import Mapping

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import ContainerCommon, EnvFromSource, EnvVarSource, expand


class UnsupportedEnv(KrustletError):
    """A variable comes from a source that this build cannot ask."""

    reason = "CreateContainerConfigError"

    def __init__(self, container: str, what: str, source: str) -> None:
        super().__init__(
            f"container {container!r}: {what} comes from {source}, which is not supported yet",
            hint="write its value into the manifest: env: [{name: …, value: …}]",
        )


class Arguments(msgspec.Struct, frozen=True):
    """The two halves of argv; where there is no command, the image's own comes first."""

    command: tuple[str, ...]
    args: tuple[str, ...]


def environment(container: ContainerCommon) -> dict[str, str]:
    """The container's variables; each may refer to those before it, and the last of a name wins.

    Raises:
        UnsupportedEnv: one of them is not written out in the manifest.

    Source: kubernetes pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables.
    """
    for origin in container.env_from:
        raise UnsupportedEnv(container.name, "part of the environment", f"envFrom {_kind(origin)}")
    result: dict[str, str] = {}
    for variable in container.env:
        if variable.value_from is not None and not variable.value:
            source = f"valueFrom {_kind(variable.value_from)}"
            raise UnsupportedEnv(container.name, f"variable {variable.name!r}", source)
        result[variable.name] = expand(variable.value, result)
    return result


def arguments(container: ContainerCommon, env: Mapping[str, str]) -> Arguments:
    """The container's command and args, expanded with `env`."""
    return Arguments(
        command=tuple(expand(part, env) for part in container.command),
        args=tuple(expand(part, env) for part in container.args),
    )


def _kind(source: EnvFromSource | EnvVarSource) -> str:
    """Which of the source's alternatives is set, by its JSON name and that of its object."""
    for field in msgspec.structs.fields(source):
        value = getattr(source, field.name)
        if field.name != "prefix" and value is not None:
            name = getattr(value, "name", "")
            return f"{field.encode_name} {name!r}" if name else field.encode_name
    return "of a kind unknown here"  # newer than we are, so decoding lost it
