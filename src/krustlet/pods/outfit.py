"""What a container gets of its node besides an image: a user, limits, a name, files.

Decides nothing that the pure modules `users`, `limits` and `wishes` can; leaves making the files
to `volumes`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from krustlet.cgroups import Limits
from krustlet.objects import (
    ContainerCommon,
    Mount,
    Pod,
    PodSecurityContext,
    SecurityContext,
    qos_class,
)
from krustlet.pods.limits import container_limits, limits_of_pod
from krustlet.pods.ports import Means
from krustlet.pods.users import Users, check_non_root, identity, owner
from krustlet.pods.wishes import has_network, waits_for_word
from krustlet.provider import Identity
from krustlet.volumes import Owner, RunFiles, RunOf, host_name


class Allowance(msgspec.Struct, frozen=True):
    """What a container may use, and its pod's together; the request has fields of these names."""

    limits: Limits
    pod_limits: Limits
    qos: str


class Outfit(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a container is started with; see the request's fields of these names."""

    identity: Identity | None
    files: RunFiles
    read_only_root: bool
    hostname: str
    network: bool


class Outfitter:
    """Equips the pods of a node, and their containers."""

    def __init__(self, means: Means, users: Users) -> None:
        self._means = means
        self._users = users

    async def mount(self, pod: Pod) -> Mapping[str, Path]:
        """Have the pod's volumes, which belong to its user; where each is, by name.

        Raises:
            UsersExhausted: there is no user left for it.
            VolumeError: one of them cannot be had.
        """
        return await self._means.volumes.mount(pod, owner=self._owner(pod))

    async def outfit(
        self, pod: Pod, container: ContainerCommon, restart: int, mounts: Sequence[Mount]
    ) -> Outfit:
        """What one run of a container gets; asked again, it gets the same.

        Args:
            mounts: of its volumes.

        Raises:
            UserRefused: it must not run as whom it wants to.
            AnnotationInvalid: it cannot be known what it wants.
            VolumeError: its files cannot be made.
        """
        security = container.security_context or SecurityContext()
        whom = self._identity(pod, container)
        network, waits = has_network(pod), waits_for_word(pod)
        run = RunOf(
            pod=pod,
            container=container,
            restart=restart,
            mounts=mounts,
            owner=None if whom is None else Owner(whom.uid, whom.gid),
            ips=(self._means.address.ip,) if self._means.address.ip else (),
            has_root=self._means.mounts_files,
            waits=waits,
        )
        return Outfit(
            identity=whom,
            files=await self._files(run),
            read_only_root=bool(security.read_only_root_filesystem),
            hostname=host_name(pod),
            network=network,
        )

    async def _files(self, run: RunOf) -> RunFiles:
        if not run.has_root and not run.waits:
            return RunFiles(mounts=tuple(run.mounts))  # and no thread is needed to say so
        return await self._means.volumes.make_run(run)

    def allowance(self, pod: Pod, container: ContainerCommon) -> Allowance:
        """What one container may use now."""
        return Allowance(
            limits=container_limits(pod.spec, container),
            pod_limits=limits_of_pod(pod.spec, pids=self._means.pod_pids_limit),
            qos=qos_class(pod.spec).value,
        )

    def _identity(self, pod: Pod, container: ContainerCommon) -> Identity | None:
        if not self._means.runs_as_root:
            check_non_root(pod, container)
            return None
        own = self._users.of(pod.uid)
        return identity(pod, container, own=own, rules=self._means.user_rules)

    def _owner(self, pod: Pod) -> Owner | None:
        if not self._means.runs_as_root:
            return None
        whom = owner(pod, own=self._users.of(pod.uid))
        whole = pod.spec.security_context or PodSecurityContext()
        return Owner(whom.uid, whom.gid, whole.fs_group)
