"""Volumes: what a pod wants mounted, made so, and what each of its containers sees of it."""

from krustlet.volumes.errors import (
    HostPathUnfit,
    InvalidVolume,
    MountError,
    MountSourceUnusable,
    SingleFileMountUnsupported,
    SubPathEscapes,
    SubPathVariableMissing,
    UnsupportedVolume,
    VolumeError,
    VolumeStorageFailed,
    VolumeUnknown,
)
from krustlet.volumes.mounts import Mounted, resolve_mounts
from krustlet.volumes.plan import EmptyDir, HostPath, VolumeWanted, notices, wanted
from krustlet.volumes.volumes import Volumes

__all__ = [
    "EmptyDir",
    "HostPath",
    "HostPathUnfit",
    "InvalidVolume",
    "MountError",
    "MountSourceUnusable",
    "Mounted",
    "SingleFileMountUnsupported",
    "SubPathEscapes",
    "SubPathVariableMissing",
    "UnsupportedVolume",
    "VolumeError",
    "VolumeStorageFailed",
    "VolumeUnknown",
    "VolumeWanted",
    "Volumes",
    "notices",
    "resolve_mounts",
    "wanted",
]
