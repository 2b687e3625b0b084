"""Say what should be mounted for a pod; pure.

Leaves making it so to one module a kind, and what each container sees to `mounts.py`.
"""

import re
from collections.abc import Iterator

import msgspec

from krustlet.objects import (
    EmptyDirVolumeSource,
    HostPathType,
    HostPathVolumeSource,
    Pod,
    StorageMedium,
    Volume,
)
from krustlet.volumes.errors import InvalidVolume, UnsupportedVolume

# Kubernetes asks for a DNS label. What matters here: it is one harmless part of a path.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)


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


VolumeWanted = EmptyDir | HostPath


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


def notices(pod: Pod) -> tuple[str, ...]:
    """What the pod's owner should know: wishes that are accepted and not yet granted."""
    return tuple(_notices(pod))


def _notices(pod: Pod) -> Iterator[str]:
    for volume in pod.spec.volumes:
        if (source := volume.empty_dir) is None:
            continue
        if source.medium == StorageMedium.MEMORY:
            yield f"volume {volume.name!r}: medium Memory is not supported yet; it is kept on disk"
        if source.size_limit is not None:
            yield f"volume {volume.name!r}: sizeLimit {source.size_limit} is not enforced yet"


def _wanted(volume: Volume) -> VolumeWanted:
    match volume:
        case Volume(empty_dir=EmptyDirVolumeSource() as source):
            return _empty_dir(volume.name, source)
        case Volume(host_path=HostPathVolumeSource() as source):
            return _host_path(volume.name, source)
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


def _kind(volume: Volume) -> str:
    """The volume's source by its JSON name."""
    for field in msgspec.structs.fields(volume):
        if field.name != "name" and getattr(volume, field.name) is not None:
            return field.encode_name
    return "a volume without a source that is known here"  # newer than we are, so decoding lost it
