"""Make what one run of a container finds besides its volumes.

Owns, in a pod's directory, the files that every container has, and for each run `<container>.<run>`
its root, its last words, and where it is told to end. Few directories, as making one on a disk can
take longer than all else of a start. Leaves what the files say to `etc_files.py`, the mounting to
the runtime, and the moment to tell it to the supervisor.

Source: kubernetes pkg/kubelet/kubelet_pods.go, `makeMounts`;
pkg/kubelet/kuberuntime/kuberuntime_container.go, `makeMounts` and `getTerminationMessage`.
"""

import os
import platform
import posixpath
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import make_private_directory, write_atomically
from krustlet.objects import ContainerCommon, Mount, Pod
from krustlet.volumes import removal, rootfs
from krustlet.volumes.etc_files import (
    NO_CLUSTER_DNS,
    ClusterDNS,
    host_name,
    hosts_text,
    read_resolver,
    resolver_of,
)
from krustlet.volumes.owner import Owner

RUN_DIRECTORY: Final = "/run/krustlet"
"""Where a guest finds the file that tells it to end."""

_TERMINATING: Final = "terminating"
_HOSTS: Final = "hosts"
_HOST_NAME: Final = "hostname"
_RESOLVER: Final = "resolv.conf"

_ETC: Final = "etc"
_ROOTS: Final = "rootfs"
_LAST_WORDS: Final = "termination-logs"
_TOLD: Final = "terminating"
PARTS: Final = (_ETC, _ROOTS, _LAST_WORDS, _TOLD)
"""What is made in a pod's directory."""

_READABLE: Final = 0o644
_TERMINATION_LOG_MODE: Final = 0o666  # kubelet's own: any user of the container may write
_TERMINATION_LOG_MAX: Final = 4096
_KEPT_RUNS: Final = 2  # this and the one before, of which the pod's status tells


class Node(msgspec.Struct, frozen=True):
    """What pods are told of the node they are on.

    Attributes:
        etc: where its own `hosts` and `resolv.conf` are.
    """

    etc: Path = Path("/etc")
    dns: ClusterDNS = NO_CLUSTER_DNS


class RunOf(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a container, and what it is given.

    Attributes:
        restart: how often it was run before.
        mounts: of its volumes, as `resolve_mounts` gives them.
        owner: whom it runs as; None for whoever makes this.
        ips: where the pod is reached.
        has_root: whether it gets a root and single files: whether it has a mount namespace.
        waits: whether a file tells it to end.
    """

    pod: Pod
    container: ContainerCommon
    restart: int
    mounts: Sequence[Mount] = ()
    owner: Owner | None = None
    ips: Sequence[str] = ()
    has_root: bool = False
    waits: bool = False


class RunFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What is there for a run.

    Attributes:
        mounts: all of them, what is to be mounted first before what goes into it.
        root: the directory that becomes its `/`; empty if it has none.
        terminating: the file whose appearance tells it to end; empty if it would not see that.
        warnings: what the pod's owner should know, as events of reason `DNSConfigForming`.
    """

    mounts: tuple[Mount, ...]
    root: str = ""
    terminating: str = ""
    warnings: tuple[str, ...] = ()


def make(pod_directory: Path, run: RunOf, node: Node, *, shared: Path) -> RunFiles:
    """Make all of it; what is there already stays, so that an `exec` finds what the run has.

    Args:
        shared: where the files are that all containers of the pod have: another of its directories
            that is faster, or the same.

    Raises:
        HostNameTooLong: the pod's name does not fit.
        OSError: something cannot be made.
    """
    name = f"{run.container.name}.{run.restart}"
    _remove_before(pod_directory, run.container.name, run.restart)
    added: list[Mount] = []
    warnings: tuple[str, ...] = ()
    root = ""
    if run.has_root:
        top = pod_directory / _ROOTS / name
        rootfs.make(top, run.owner)
        root = str(top)
        etc, warnings = _etc_mounts(shared / _ETC, run, node)
        added += [*etc, *_termination_mounts(pod_directory / _LAST_WORDS / name, run)]
    terminating = ""
    if run.waits and _is_free(RUN_DIRECTORY, run.mounts):
        told_in = _readable_directory(pod_directory / _TOLD / name)
        added.append(Mount(host=str(told_in), guest=RUN_DIRECTORY, read_only=True))
        terminating = str(told_in / _TERMINATING)
    return RunFiles(
        mounts=in_mount_order([*run.mounts, *added]),
        root=root,
        terminating=terminating,
        warnings=warnings,
    )


def remove(pod_directory: Path, container: str, restart: int) -> None:
    """The run is over: nobody needs its root any more. Its last words stay, to be read.

    Raises:
        VolumeStillMounted: something is mounted there.
        OSError: something cannot be removed.
    """
    removal.remove(pod_directory / _ROOTS / f"{container}.{restart}")


def termination_message(pod_directory: Path, container: str, restart: int) -> str:
    """The last words that the run left, at most 4096 bytes of them; empty if there are none."""
    path = pod_directory / _LAST_WORDS / f"{container}.{restart}"
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return ""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return ""  # never made here
        start = max(0, found.st_size - _TERMINATION_LOG_MAX)
        data = os.pread(descriptor, _TERMINATION_LOG_MAX, start)
        return data.decode(errors="replace")
    finally:
        os.close(descriptor)


def in_mount_order(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """So that none hides another. Source: containerd internal/cri/server, `orderedMounts`."""
    return tuple(sorted(mounts, key=lambda mount: len(_parts(mount.guest))))


def _parts(guest: str) -> list[str]:
    return [part for part in guest.split("/") if part]


def _is_free(guest: str, mounts: Iterable[Mount]) -> bool:
    """Whether something of ours can be put there: nothing is, nor a volume that cannot hold it."""
    return not any(
        mount.guest == guest
        or (mount.read_only and posixpath.commonpath((mount.guest, guest)) == mount.guest)
        for mount in mounts
    )


# /etc -------------------------------------------------------------------------------------------


def _etc_mounts(etc: Path, run: RunOf, node: Node) -> tuple[list[Mount], tuple[str, ...]]:
    """Of the pod's files, each that the container does not bring itself."""
    found = resolver_of(run.pod, read_resolver(_text_of(node.etc / _RESOLVER)), node.dns)
    hosts = hosts_text(run.pod, run.ips, of_node=_text_of(node.etc / _HOSTS), dns=node.dns)
    name = host_name(run.pod, node.dns) or platform.node()
    make_private_directory(etc)
    mounts = []
    for file, text in (
        (_HOSTS, hosts),
        (_HOST_NAME, f"{name}\n"),
        (_RESOLVER, found.resolver.text()),
    ):
        _write(etc / file, text.encode())
        if _is_free(guest := f"/{_ETC}/{file}", run.mounts):
            mounts.append(Mount(host=str(etc / file), guest=guest, read_only=False))
    return mounts, found.warnings


def _text_of(path: Path) -> str:
    """What a file of the node holds; one that has none is like one that says nothing."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _write(path: Path, data: bytes) -> None:
    """In one step, and only if it says something else: it is mounted in containers that run."""
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    write_atomically(path, data, mode=_READABLE)


# of the run -------------------------------------------------------------------------------------


def _termination_mounts(log: Path, run: RunOf) -> list[Mount]:
    path = run.container.termination_message_path
    guest = "/" + posixpath.normpath("/" + path).lstrip("/")
    if not path or guest == "/" or not _is_free(guest, run.mounts):
        return []
    make_private_directory(log.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(log, flags, _TERMINATION_LOG_MODE)
    try:
        if run.owner is not None:
            os.fchown(descriptor, run.owner.uid, run.owner.gid)
        os.fchmod(descriptor, _TERMINATION_LOG_MODE)  # whatever the umask
    finally:
        os.close(descriptor)
    return [Mount(host=str(log), guest=guest, read_only=False)]


def _readable_directory(path: Path) -> Path:
    make_private_directory(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)  # whatever the umask
    return path


def _remove_before(pod_directory: Path, container: str, restart: int) -> None:
    """What is left of earlier runs, should nobody have removed it when they ended."""
    if restart == 0:
        return
    for path, earlier in _runs_in(pod_directory / _ROOTS, container):
        if earlier < restart:
            removal.remove(path)
    for path, earlier in _runs_in(pod_directory / _LAST_WORDS, container):
        if earlier <= restart - _KEPT_RUNS:
            path.unlink()
    for path, earlier in _runs_in(pod_directory / _TOLD, container):
        if earlier < restart:
            removal.remove(path)


def _runs_in(directory: Path, container: str) -> list[tuple[Path, int]]:
    """What is there of each run of the container, and the number of that run."""
    found = []
    for path in directory.glob("*"):
        name, _, number = path.name.rpartition(".")
        if name == container and number.isdecimal():
            found.append((path, int(number)))
    return found
