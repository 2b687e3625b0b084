"""Take away what a node has left on this machine.

Owns which names in a data directory are a node's; all else in there is somebody's own and stays.
Leaves the node's control groups to whoever gives `remove_groups`, and its object to `draining.py`.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from krustlet.admin.containers import end_all
from krustlet.admin.errors import NodeStillRuns, NotCleaned, NotOurs
from krustlet.admin.ports import Voice
from krustlet.base import DirectoryInUse, KrustletError, only_user_of
from krustlet.certificates import CertificatesError, facts_of, node_user
from krustlet.node import LinuxHost
from krustlet.objects import Node
from krustlet.volumes import remove_tree

# In this order: what tells that the directory is a node's goes last, so that one that was left
# halfway is known again.
# Either is for `system:node:<name>`; there is no client's where others made the credentials.
_CERTIFICATES: Final = ("pki/kubelet-client-current.pem", "pki/kubelet-server-current.pem")
_PODS: Final = "pods"
_SUPERVISOR: Final = "supervisor"
_CONFIG: Final = "config"
_LOCK: Final = ".krustlet.sock.lock"
_MADE_BY_NODES: Final = (
    _PODS,
    "memory",
    "images",
    "cache",
    "logs",
    "config/kubeconfig.old",
    "config/kubeconfig",
    "pki",
    "krustlet.sock",
    _SUPERVISOR,
    _LOCK,
)
# No other kubelet has any of these in its directory.
_MARKS: Final = (
    _LOCK,
    f"{_SUPERVISOR}/supervisor.log",
    "config/kubeconfig",
    "pki/kubelet-client-pending.key",
    "pki/kubelet-server-pending.key",
)
# There is one of these wherever a node has run, and not where it has only asked to be one.
_RAN_HERE: Final = (_LOCK, f"{_SUPERVISOR}/supervisor.log")
_WRITTEN_BY_PEOPLE: Final = (
    "config/config.yaml",
    "config/config.json",
    "config/bootstrap.conf",
    "config/krustlet.crt",
    "config/krustlet.key",
    "config.json",
)
_LOOK_AGAIN_S: Final = 0.25


class LocalNode:
    """The data directory of a node of this machine; the node itself must not run any more."""

    def __init__(
        self,
        directory: Path,
        voice: Voice,
        *,
        pod_logs: Path,
        remove_groups: Callable[[Path], None],
    ) -> None:
        """Keep what it is given.

        Args:
            pod_logs: where the logs of its pods are; those of other kubelets' may be there, too.
            remove_groups: takes away the control groups of the node with that directory.
        """
        self._named = directory.absolute()
        self._directory = self._named.resolve()
        self._voice = voice
        self._pod_logs = pod_logs
        self._remove_groups = remove_groups

    @property
    def directory(self) -> Path:
        return self._named

    def node(self) -> str:
        """Which node's it is; empty where it does not say."""
        for certificate in _CERTIFICATES:
            with contextlib.suppress(OSError, CertificatesError):
                name = facts_of((self._directory / certificate).read_bytes()).common_name
                return name.removeprefix(node_user(""))
        return ""

    def check(self, node: str, known: Node | None) -> None:
        """What is there may be removed, for that node to be gone.

        Args:
            known: its Node, if there is one and the cluster was asked.

        Raises:
            NotOurs: it is another node's, or none of a node of ours; or the Node is there, and
                its data are not: somebody has named the wrong directory, or none.
        """
        if (found := self.node()) and found != node:
            raise NotOurs(
                f"{self._named} is that of node {found}, not of {node}",
                hint=f"name the directory with --data-dir, or say: krustlet node reset {found}",
            )
        if self._is_elsewhere(known):
            raise NotOurs(
                f"node {node} is another machine than this one",
                hint="call this there, or with --cluster-only, which leaves this machine alone",
            )
        if any(self._there(_MADE_BY_NODES)) and not any(self._there(_MARKS)):
            raise NotOurs(
                f"{self._named} does not look like the data directory of a krustlet",
                hint="name the right one with --data-dir",
            )
        if known is not None and not found and not any(self._there(_RAN_HERE)):
            raise NotOurs(
                f"no node {node} has run with {self._named}",
                hint="name its directory with --data-dir, or leave this machine alone with "
                "--cluster-only",
            )

    def is_running(self) -> bool:
        """Whether a kubelet has the directory now."""
        try:
            with only_user_of(self._directory):
                return False
        except DirectoryInUse:
            return True
        except FileNotFoundError:
            return False

    async def until_stopped(self, *, within_s: float) -> None:
        """No kubelet has the directory any more; somebody is asked to stop it.

        Raises:
            NodeStillRuns: nobody has, in that time.
        """
        if not self.is_running():
            return
        how = "systemctl disable --now krustlet, or Ctrl-C where it runs"
        self._voice.say(f"now stop krustlet node, which has {self._named}: {how}")
        try:
            async with asyncio.timeout(within_s):
                while self.is_running():  # noqa: ASYNC110 - nobody tells when a lock is let go of
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError as exc:
            raise NodeStillRuns(
                f"{self._named} is still in use by a krustlet node after {within_s:g} s",
                hint=f"stop it ({how}), and call this again",
            ) from exc

    async def clean(self, *, everything: bool, grace_s: float) -> None:
        """No container of the node runs, and nothing that it made is left.

        Args:
            everything: what people wrote for it goes, too.
            grace_s: how long containers have to end by themselves.

        Raises:
            NodeStillRuns: a kubelet has been started meanwhile.
            NotCleaned: something could not be removed; it may be tried again.
        """
        if not self._directory.is_dir():
            self._voice.say(f"there is no {self._named}")
            return
        try:
            with only_user_of(self._directory):
                await self._end_containers(grace_s)
                await asyncio.to_thread(self._remove, everything=everything)
        except DirectoryInUse as exc:
            raise NodeStillRuns(exc.message, hint="stop that krustlet node first") from exc
        except KrustletError as exc:
            raise NotCleaned(exc.message, hint=exc.hint) from exc
        except OSError as exc:
            where = exc.filename or self._named
            raise NotCleaned(
                f"{where} cannot be removed: {exc.strerror or exc}",
                hint="call this as the user that the node ran as, or as root",
            ) from exc
        with contextlib.suppress(OSError):  # there is something of somebody else's in it
            self._named.rmdir()
        self._tell_what_is_left()

    async def _end_containers(self, grace_s: float) -> None:
        directory = self._directory / _SUPERVISOR
        if directory.is_dir() and (count := await end_all(directory, grace_s=grace_s)):
            self._voice.say(f"containers ended: {count}")

    # what lies about --------------------------------------------------------------------------

    def _remove(self, *, everything: bool) -> None:
        removed = list(self._remove_logs())
        self._remove_groups(self._named)
        names = (*_WRITTEN_BY_PEOPLE, *_MADE_BY_NODES) if everything else _MADE_BY_NODES
        removed += [name for name in names if self._remove_one(self._directory / name)]
        with contextlib.suppress(OSError):  # there is something of a person's in it
            (self._directory / _CONFIG).rmdir()
        if removed:
            self._voice.say(f"removed from {self._named}: {', '.join(removed)}")
        else:
            self._voice.say(f"nothing of a node is in {self._named}")

    def _remove_logs(self) -> Iterator[str]:
        """Only of the node's own pods: the directory may be shared."""
        if not (pods := self._directory / _PODS).is_dir():
            return
        ours = {path.name for path in pods.iterdir()}
        logs = sorted(self._pod_logs.iterdir()) if self._pod_logs.is_dir() else []
        for path in logs:
            if path.name.rpartition("_")[2] in ours and self._remove_one(path):
                yield f"{path}"

    def _remove_one(self, path: Path) -> bool:
        """Whether there was anything; a link goes, and not what it leads to."""
        if path.parent.is_symlink() or not os.path.lexists(path):
            return False
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink()
        return True

    def _tell_what_is_left(self) -> None:
        try:
            names = sorted(os.listdir(self._named))
        except FileNotFoundError:
            return
        if names:
            self._voice.say(f"left in {self._named}: {', '.join(names)}")

    # what it is -------------------------------------------------------------------------------

    def _there(self, names: tuple[str, ...]) -> Iterator[str]:
        return (name for name in names if os.path.lexists(self._directory / name))

    def _is_elsewhere(self, known: Node | None) -> bool:
        if known is None or known.status.node_info is None or not self._directory.is_dir():
            return False
        theirs = known.status.node_info.machine_id
        ours = LinuxHost(self._directory).machine().id
        return bool(ours and theirs) and ours != theirs
