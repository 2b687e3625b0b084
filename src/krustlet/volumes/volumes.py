"""Keep the volumes of the pods on this node.

Owns `<root>/pods/<uid>/volumes`. Leaves what should be there to `plan.py`, and how each kind is
made to a module of its own.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from krustlet.base import make_private_directory
from krustlet.objects import Pod
from krustlet.volumes import empty_dir, host_path
from krustlet.volumes.errors import InvalidVolume, VolumeStorageFailed
from krustlet.volumes.plan import EmptyDir, HostPath, VolumeWanted, wanted

_PODS = "pods"
_VOLUMES = "volumes"


class Volumes:
    """Make a pod's volumes be there, and be gone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def mount(self, pod: Pod) -> Mapping[str, Path]:
        """The path of each of the pod's volumes, by name; all exist, with what they held before.

        Raises:
            VolumeError: one of them cannot be had; the others may have been made.
        """
        volumes = wanted(pod)
        directory = self._pod_directory(pod.uid) / _VOLUMES
        return await asyncio.to_thread(
            lambda: {volume.name: _make(directory, volume) for volume in volumes}
        )

    async def unmount(self, uid: str) -> None:
        """Remove all that was made for the pod, if anything was; links are not followed.

        What a hostPath names is the node's own and stays.

        Raises:
            VolumeStorageFailed: something could not be removed.
        """
        directory = self._pod_directory(uid)
        await asyncio.to_thread(_remove, directory)

    def _pod_directory(self, uid: str) -> Path:
        """Where the pod's things lie: right below `pods`, whatever the uid looks like."""
        if uid in ("", ".", "..") or "/" in uid or "\0" in uid:
            raise InvalidVolume(f"{uid!r} is no pod uid", hint="a uid is one word, such as a UUID")
        return self._root / _PODS / uid


def _make(directory: Path, volume: VolumeWanted) -> Path:
    try:
        match volume:
            case EmptyDir():
                return empty_dir.make(make_private_directory(directory), volume.name)
            case HostPath():
                return host_path.make(volume)
    except OSError as exc:
        raise VolumeStorageFailed(
            f"volume {volume.name!r}: cannot make {exc.filename}: {exc.strerror}",
            hint=f"look at it on the node, as uid {os.geteuid()}",
        ) from exc


def _remove(pod_directory: Path) -> None:
    if not os.path.lexists(pod_directory):
        return  # nothing was ever made
    try:
        parent = os.open(pod_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _VOLUMES in os.listdir(parent):
                shutil.rmtree(_VOLUMES, dir_fd=parent)
        finally:
            os.close(parent)
    except OSError as exc:
        raise VolumeStorageFailed(
            f"cannot remove {pod_directory / _VOLUMES}: {exc}",
            hint=f"look at it on the node, as uid {os.geteuid()}",
        ) from exc
