"""Say which directory or file of the node each of a container's mounts stands for.

Owns subPaths: they are made here, and never lead out of their volume. Leaves making the volumes
to `volumes.py` and the mounting itself to the runner.
"""

import os
import posixpath
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from krustlet.objects import ContainerCommon, Mount, VolumeMount, expand_with
from krustlet.volumes.errors import (
    MountSourceUnusable,
    SingleFileMountUnsupported,
    SubPathEscapes,
    SubPathVariableMissing,
    VolumeUnknown,
)

Mounted = Mapping[str, Path]
"""Volume name → the path on the node that stands for it."""

_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def resolve_mounts(
    container: ContainerCommon,
    mounted: Mounted,
    env: Mapping[str, str],
    *,
    read_only: Collection[str] = (),
    files_allowed: bool = False,
) -> tuple[Mount, ...]:
    """The container's mounts in its own order; subPaths that were missing are now there.

    Touches the disk: call it in a thread. What is said of a path is true at the time of the call;
    a guest that writes to the same volume can put a link in a subPath's place at any later one.
    Whoever mounts it must refuse that: no path in the result has a link in it.

    Args:
        env: the container's environment, for `subPathExpr`.
        read_only: the volumes that no guest may write to, by name: see `plan.read_only`.
        files_allowed: whether the container can be given what is no directory: it has a mount
            namespace.

    Raises:
        VolumeUnknown: the container mounts what the pod does not have.
        SubPathEscapes: a subPath is absolute, has a `..`, or follows a link out of its volume.
        SubPathVariableMissing: a subPathExpr names a variable that is unset or empty.
        SingleFileMountUnsupported: a mount is of what is no directory, and may not be.
        MountSourceUnusable: the directory or file is missing, or cannot be made or entered.
    """
    return tuple(
        Mount(
            host=str(_source(container.name, mount, mounted, env, files_allowed)),
            guest="/" + posixpath.normpath("/" + mount.mount_path).lstrip("/"),
            read_only=mount.read_only or mount.name in read_only,
        )
        for mount in container.volume_mounts
    )


def _source(
    container: str,
    mount: VolumeMount,
    mounted: Mounted,
    env: Mapping[str, str],
    files_allowed: bool,
) -> Path:
    volume = mounted.get(mount.name)
    if volume is None:
        raise VolumeUnknown(
            f"cannot find volume {mount.name!r} to mount into container {container!r}",
            hint=f"the pod has {', '.join(sorted(mounted)) or 'no volumes'}",
        )
    try:
        top = Path(os.path.realpath(volume))
        return _descend(mount, top, _sub_path(mount, env), files_allowed)
    except FileNotFoundError as exc:
        raise MountSourceUnusable(
            f"volumeMount {mount.name!r}: {volume} doesn't exist",
            hint="make it on the node, or set the volume's type to DirectoryOrCreate",
        ) from exc
    except OSError as exc:
        raise MountSourceUnusable(
            f"volumeMount {mount.name!r}: cannot enter {exc.filename} of {volume}: {exc.strerror}",
            hint="look at it on the node",
        ) from exc


def _sub_path(mount: VolumeMount, env: Mapping[str, str]) -> str:
    if not mount.sub_path_expr:
        return mount.sub_path
    missing: set[str] = set()

    def value(name: str) -> str:
        if not env.get(name):
            missing.add(name)
        return env.get(name, "")

    expanded = expand_with(mount.sub_path_expr, value)
    if missing:
        raise SubPathVariableMissing(
            f"volumeMount {mount.name!r}: subPathExpr {mount.sub_path_expr!r}: "
            f"missing value for {', '.join(sorted(missing))}",
            hint="set it in the container's env",
        )
    return expanded


def _descend(mount: VolumeMount, volume: Path, sub_path: str, files_allowed: bool) -> Path:
    """The directory or file `sub_path` of `volume`; a directory is made where it was missing.

    The links in it are followed on paper first; the result is then walked link-free, so that one
    which appears in between (a guest may be writing here) is an error and no way out.
    """
    if sub_path.startswith("/") or ".." in sub_path.split("/") or "\0" in sub_path:
        raise SubPathEscapes(
            f"volumeMount {mount.name!r}: subPath {sub_path!r} must be relative and without '..'",
            hint="a subPath begins at the top of its volume",
        )
    source = Path(os.path.realpath(volume / sub_path))
    if not source.is_relative_to(volume):
        raise SubPathEscapes(
            f"volumeMount {mount.name!r}: subPath {sub_path!r} follows a link out of its volume",
            hint="a subPath must stay inside its volume",
        )
    parts = source.relative_to(volume).parts
    if not source.exists() or source.is_dir():
        _walk(volume, parts)
    elif not files_allowed:
        raise SingleFileMountUnsupported(mount.name, str(source))
    elif parts:
        _walk(volume, parts[:-1])
    return source


def _walk(volume: Path, parts: tuple[str, ...]) -> None:
    """Enter `parts` one by one; make each that is missing, as open as the volume and as much whose.

    Source: kubernetes pkg/kubelet/kubelet_pods.go, makeMounts: a subPath has its volume's mode.
    """
    here = os.open(volume, _ENTER)
    try:
        like = os.fstat(here)
        for part in parts:
            below = _enter(here, part, like)
            os.close(here)
            here = below
    finally:
        os.close(here)


def _enter(parent: int, name: str, like: os.stat_result) -> int:
    try:
        return os.open(name, _ENTER, dir_fd=parent)
    except FileNotFoundError:
        pass
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:  # another container of the pod was quicker
        return os.open(name, _ENTER, dir_fd=parent)
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.geteuid() == 0:
            os.fchown(made, like.st_uid, like.st_gid)
        os.fchmod(made, stat.S_IMODE(like.st_mode))  # whatever the umask
    except OSError:
        os.close(made)
        raise
    return made
