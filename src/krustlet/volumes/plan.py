"""Say what should be mounted for a pod; pure.

Leaves making it so to one module a kind, and what each container sees to `mounts.py`.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from krustlet.objects import (
    ConfigMapProjection,
    ConfigMapVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    HostPathType,
    HostPathVolumeSource,
    Pod,
    ProjectedVolumeSource,
    SecretProjection,
    SecretVolumeSource,
    StorageMedium,
    Volume,
    VolumeProjection,
)
from krustlet.volumes.errors import InvalidVolume, UnsupportedVolume

# Kubernetes asks for a DNS label. What matters here: it is one harmless part of a path.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)

_DEFAULT_MODE: Final = 0o644
_CONFIG_MAP: Final = "configmap"


class EmptyDir(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A directory that begins empty and ends with its pod.

    Attributes:
        size_limit: as the manifest writes it, `64Mi`; None where there is none.
    """

    name: str
    medium: StorageMedium = StorageMedium.DEFAULT
    size_limit: str | None = None


class HostPath(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Something of the node's own, at an absolute path without `..`."""

    name: str
    path: str
    type: HostPathType = HostPathType.UNSET


class Projected(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Files that we write; a guest may only read them. Of one source or several, later ones win.

    Attributes:
        of: the kubelet's name for the kind of volume it is written as, such as `configmap`.
        default_mode: of the files that have no mode of their own.
    """

    name: str
    of: str
    sources: tuple[VolumeProjection, ...]
    default_mode: int = _DEFAULT_MODE

    @property
    def is_kept_in_memory(self) -> bool:
        """Whether Kubernetes never writes it to a disk; of ConfigMaps it does.

        Source: kubernetes pkg/volume/secret, downwardapi and projected, `wrappedVolumeSpec`.
        """
        return self.of != _CONFIG_MAP


VolumeWanted = EmptyDir | HostPath | Projected


def wanted(pod: Pod) -> tuple[VolumeWanted, ...]:
    """The volumes of the pod, in its own order.

    Raises:
        UnsupportedVolume: of a kind, medium or type that this build does not know.
        InvalidVolume: one that the API server would not have let through.
    """
    names = [volume.name for volume in pod.spec.volumes]
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidVolume(
                f"volume {name!r}: the name is no DNS label",
                hint="use lower-case letters, digits and '-'",
            )
        if names.count(name) > 1:
            raise InvalidVolume(
                f"volume {name!r}: the name is taken twice", hint="rename one of them"
            )
    return tuple(_wanted(volume) for volume in pod.spec.volumes)


def read_only(pod: Pod) -> frozenset[str]:
    """The names of the volumes that no guest may write to, whatever its mounts say."""
    return frozenset(
        volume.name
        for volume in pod.spec.volumes
        if volume.config_map or volume.secret or volume.downward_api or volume.projected
    )


def notices(pod: Pod, *, in_memory: bool = False) -> tuple[str, ...]:
    """What the pod's owner should know: wishes that are accepted and not granted.

    Args:
        in_memory: whether what Kubernetes keeps in memory is kept there.
    """
    return tuple(_notices(pod, in_memory))


def _notices(pod: Pod, in_memory: bool) -> Iterator[str]:
    for volume in pod.spec.volumes:
        if (source := volume.empty_dir) is None:
            continue
        if source.medium == StorageMedium.MEMORY:
            if in_memory:
                continue  # with its sizeLimit
            yield f"volume {volume.name!r}: medium Memory takes root here; it is kept on disk"
        if source.size_limit is not None:
            yield f"volume {volume.name!r}: sizeLimit {source.size_limit} is not enforced yet"


def _wanted(volume: Volume) -> VolumeWanted:
    match volume:
        case Volume(empty_dir=EmptyDirVolumeSource() as source):
            return _empty_dir(volume.name, source)
        case Volume(host_path=HostPathVolumeSource() as source):
            return _host_path(volume.name, source)
        case Volume(config_map=ConfigMapVolumeSource() as source):
            return _config_map(volume.name, source)
        case Volume(secret=SecretVolumeSource() as source):
            return _secret(volume.name, source)
        case Volume(downward_api=DownwardAPIVolumeSource() as source):
            return _downward_api(volume.name, source)
        case Volume(projected=ProjectedVolumeSource() as source):
            return _projected(volume.name, source)
        case _:
            raise UnsupportedVolume(volume.name, _kind(volume))


def _empty_dir(name: str, source: EmptyDirVolumeSource) -> EmptyDir:
    try:
        medium = StorageMedium(source.medium)
    except ValueError as exc:
        raise UnsupportedVolume(name, f"emptyDir with medium {source.medium}") from exc
    return EmptyDir(name, medium=medium, size_limit=source.size_limit)


def _host_path(name: str, source: HostPathVolumeSource) -> HostPath:
    if not source.path.startswith("/") or "\0" in source.path:
        raise InvalidVolume(
            f"volume {name!r}: invalid hostPath {source.path!r}: must be an absolute path",
            hint="write the path from / on; the manifest's directory does not count",
        )
    if ".." in source.path.split("/"):
        raise InvalidVolume(
            f"volume {name!r}: invalid hostPath {source.path!r}: must not contain '..'",
            hint="write the path without '..'",
        )
    try:
        return HostPath(name, path=source.path, type=HostPathType(source.type or ""))
    except ValueError as exc:
        raise UnsupportedVolume(name, f"hostPath of type {source.type}") from exc


def _config_map(name: str, source: ConfigMapVolumeSource) -> Projected:
    projection = ConfigMapProjection(name=source.name, items=source.items, optional=source.optional)
    return _of_one(name, _CONFIG_MAP, VolumeProjection(config_map=projection), source.default_mode)


def _secret(name: str, source: SecretVolumeSource) -> Projected:
    projection = SecretProjection(
        name=source.secret_name, items=source.items, optional=source.optional
    )
    return _of_one(name, "secret", VolumeProjection(secret=projection), source.default_mode)


def _downward_api(name: str, source: DownwardAPIVolumeSource) -> Projected:
    projection = VolumeProjection(downward_api=DownwardAPIProjection(items=source.items))
    return _of_one(name, "downward-api", projection, source.default_mode)


def _of_one(name: str, of: str, source: VolumeProjection, mode: int | None) -> Projected:
    return Projected(name, of, (source,), _DEFAULT_MODE if mode is None else mode)


_KNOWN_SOURCES: Final = frozenset({"configMap", "secret", "downwardAPI", "serviceAccountToken"})


def _projected(name: str, source: ProjectedVolumeSource) -> Projected:
    projections = source.sources or ()
    for projection in projections:
        if unknown := set(projection.sources()) - _KNOWN_SOURCES:
            raise UnsupportedVolume(name, f"projected with {', '.join(sorted(unknown))}")
    mode = _DEFAULT_MODE if source.default_mode is None else source.default_mode
    return Projected(name, "projected", projections, mode)


def _kind(volume: Volume) -> str:
    """The volume's source by its JSON name."""
    for field in msgspec.structs.fields(volume):
        if field.name != "name" and getattr(volume, field.name) is not None:
            return field.encode_name
    return "a volume without a source that is known here"  # newer than we are, so decoding lost it
