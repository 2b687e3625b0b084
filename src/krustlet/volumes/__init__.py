"""Volumes: what a pod wants mounted, made so, and what each of its containers sees of it."""

from krustlet.volumes.errors import (
    HostPathUnfit,
    InvalidVolume,
    KeyMissing,
    MountError,
    MountSourceUnusable,
    SetUpFailed,
    SingleFileMountUnsupported,
    SubPathEscapes,
    SubPathVariableMissing,
    UnsupportedVolume,
    VolumeError,
    VolumeStorageFailed,
    VolumeUnknown,
)
from krustlet.volumes.mounts import Mounted, resolve_mounts
from krustlet.volumes.plan import (
    EmptyDir,
    HostPath,
    Projected,
    VolumeWanted,
    notices,
    read_only,
    wanted,
)
from krustlet.volumes.volumes import Volumes

__all__ = [
    "EmptyDir",
    "HostPath",
    "HostPathUnfit",
    "InvalidVolume",
    "KeyMissing",
    "MountError",
    "MountSourceUnusable",
    "Mounted",
    "Projected",
    "SetUpFailed",
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
    "read_only",
    "resolve_mounts",
    "wanted",
]
