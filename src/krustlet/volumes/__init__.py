"""Volumes: what a pod wants mounted, made so, and what each of its containers sees of it."""

from krustlet.volumes.errors import (
    HostNameTooLong,
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
    VolumeStillMounted,
    VolumeStorageFailed,
    VolumeUnknown,
)
from krustlet.volumes.etc_files import ClusterDNS, host_name
from krustlet.volumes.mounts import Mounted, resolve_mounts
from krustlet.volumes.owner import Owner
from krustlet.volumes.plan import (
    EmptyDir,
    HostPath,
    Projected,
    VolumeWanted,
    notices,
    read_only,
    wanted,
)
from krustlet.volumes.removal import remove as remove_tree
from krustlet.volumes.run_files import Node, RunFiles, RunOf
from krustlet.volumes.tmpfs import can_mount, unmount_below
from krustlet.volumes.volumes import Volumes

__all__ = [
    "ClusterDNS",
    "EmptyDir",
    "HostNameTooLong",
    "HostPath",
    "HostPathUnfit",
    "InvalidVolume",
    "KeyMissing",
    "MountError",
    "MountSourceUnusable",
    "Mounted",
    "Node",
    "Owner",
    "Projected",
    "RunFiles",
    "RunOf",
    "SetUpFailed",
    "SingleFileMountUnsupported",
    "SubPathEscapes",
    "SubPathVariableMissing",
    "UnsupportedVolume",
    "VolumeError",
    "VolumeStillMounted",
    "VolumeStorageFailed",
    "VolumeUnknown",
    "VolumeWanted",
    "Volumes",
    "can_mount",
    "host_name",
    "notices",
    "read_only",
    "remove_tree",
    "resolve_mounts",
    "unmount_below",
    "wanted",
]
