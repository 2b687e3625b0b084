"""What of a pod's spec this node refuses, and what it passes over. Pure.

A field that means nothing here is accepted and told of once, as an event; one that keeps somebody
safe is refused where passing over it would be dangerous. The tables below are the truth that
`docs/reference/pod-fields.md` is checked against.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, TypeVar

from krustlet.objects import (
    DEFAULT_TERMINATION_MESSAGE_PATH,
    WITHOUT_CLUSTER,
    AppArmorProfile,
    Capabilities,
    ContainerCommon,
    ContainerPort,
    EnvVarSource,
    OSName,
    Pod,
    PodSecurityContext,
    PodSpec,
    ProfileType,
    RestartRuleAction,
    SeccompProfile,
    SecurityContext,
)
from krustlet.pods.env import described
from krustlet.pods.ports import Power
from krustlet.pods.state import Rejection
from krustlet.volumes import notices

IGNORED_REASON: Final = "FieldsIgnored"
_UNSUPPORTED: Final = "PodFeatureUnsupported"
_OTHER_OS: Final = "PodOSNotSupported"
_DEFAULT: Final = "Default"  # of procMount

S = TypeVar("S")

IGNORED_CONTAINER_FIELDS: Final[Mapping[str, Callable[[ContainerCommon], bool]]] = {
    "lifecycle": lambda c: c.lifecycle is not None,
    "livenessProbe": lambda c: c.liveness_probe is not None,
    "ports": lambda c: any(map(_is_mapped, c.ports)),
    "readinessProbe": lambda c: c.readiness_probe is not None,
    "startupProbe": lambda c: c.startup_probe is not None,
    "restartPolicyRules": lambda c: any(
        rule.action != RestartRuleAction.RESTART for rule in c.restart_policy_rules
    ),
    "securityContext.allowPrivilegeEscalation": lambda c: bool(
        _security(c).allow_privilege_escalation
    ),
    "securityContext.appArmorProfile": lambda c: _confines(_security(c).app_armor_profile),
    "securityContext.capabilities.add": lambda c: bool(
        (_security(c).capabilities or Capabilities()).add
    ),
    "securityContext.privileged": lambda c: bool(_security(c).privileged),
    "securityContext.procMount": lambda c: _security(c).proc_mount not in (None, _DEFAULT),
    "securityContext.seLinuxOptions": lambda c: _security(c).se_linux_options is not None,
    "securityContext.seccompProfile": lambda c: _is_special(_security(c).seccomp_profile),
    "securityContext.windowsOptions": lambda c: _security(c).windows_options is not None,
    "volumeDevices": lambda c: bool(c.volume_devices),
}

IGNORED_POD_FIELDS: Final[Mapping[str, Callable[[PodSpec], bool]]] = {
    "activeDeadlineSeconds": lambda s: s.active_deadline_seconds is not None,
    "ephemeralContainers": lambda s: bool(s.ephemeral_containers),
    "hostIPC": lambda s: s.host_ipc,
    "hostPID": lambda s: s.host_pid,
    "hostUsers": lambda s: s.host_users is False,
    "readinessGates": lambda s: bool(s.readiness_gates),
    "resourceClaims": lambda s: bool(s.resource_claims),
    "securityContext.appArmorProfile": lambda s: _confines(_of_pod(s).app_armor_profile),
    "securityContext.seLinuxOptions": lambda s: _of_pod(s).se_linux_options is not None,
    "securityContext.seccompProfile": lambda s: _is_special(_of_pod(s).seccomp_profile),
    "securityContext.sysctls": lambda s: bool(_of_pod(s).sysctls),
    "securityContext.windowsOptions": lambda s: _of_pod(s).windows_options is not None,
    "shareProcessNamespace": lambda s: bool(s.share_process_namespace),
}

POWERLESS_CONTAINER_FIELDS: Final[Mapping[str, tuple[Power, Callable[[ContainerCommon], bool]]]] = {
    "resources": (
        Power.ENFORCES_LIMITS,
        lambda c: bool(c.resources.limits or c.resources.requests),
    ),
    "securityContext.runAsGroup": (
        Power.CHANGES_USERS,
        lambda c: _security(c).run_as_group is not None,
    ),
    "securityContext.runAsUser": (
        Power.CHANGES_USERS,
        lambda c: _security(c).run_as_user is not None,
    ),
    "terminationMessagePath": (
        Power.MOUNTS_FILES,
        lambda c: c.termination_message_path not in ("", DEFAULT_TERMINATION_MESSAGE_PATH),
    ),
}

POWERLESS_POD_FIELDS: Final[Mapping[str, tuple[Power, Callable[[PodSpec], bool]]]] = {
    "dnsConfig": (Power.MOUNTS_FILES, lambda s: s.dns_config is not None),
    "hostAliases": (Power.MOUNTS_FILES, lambda s: bool(s.host_aliases)),
    "hostname": (Power.MOUNTS_FILES, lambda s: bool(s.hostname)),
    "hostnameOverride": (Power.MOUNTS_FILES, lambda s: bool(s.hostname_override)),
    "resources": (Power.ENFORCES_LIMITS, lambda s: s.resources is not None),
    "securityContext.fsGroup": (Power.CHANGES_USERS, lambda s: _of_pod(s).fs_group is not None),
    "securityContext.runAsGroup": (
        Power.CHANGES_USERS,
        lambda s: _of_pod(s).run_as_group is not None,
    ),
    "securityContext.runAsUser": (
        Power.CHANGES_USERS,
        lambda s: _of_pod(s).run_as_user is not None,
    ),
    "securityContext.supplementalGroups": (
        Power.CHANGES_USERS,
        lambda s: bool(_of_pod(s).supplemental_groups),
    ),
    "setHostnameAsFQDN": (Power.MOUNTS_FILES, lambda s: bool(s.set_hostname_as_fqdn)),
    "subdomain": (Power.MOUNTS_FILES, lambda s: bool(s.subdomain)),
}


def _security(container: ContainerCommon) -> SecurityContext:
    return container.security_context or SecurityContext()


def _of_pod(spec: PodSpec) -> PodSecurityContext:
    return spec.security_context or PodSecurityContext()


def _confines(profile: AppArmorProfile | None) -> bool:
    """Whether there ought to be a profile, which nobody loads here."""
    return profile is not None and profile.type != ProfileType.UNCONFINED


def _is_special(profile: SeccompProfile | None) -> bool:
    """Whether another filter is wanted than the one that every container has."""
    return profile is not None and profile.type != ProfileType.RUNTIME_DEFAULT


def _is_mapped(port: ContainerPort) -> bool:
    """Whether it is to be reached under another number, or at one address of the host's only."""
    return port.host_port not in (0, port.container_port) or bool(port.host_ip)


def ignored(pod: Pod, powers: Collection[Power] = ()) -> Iterator[str]:
    """What the pod asks for in vain: a sentence for all fields, and one for each volume's wish.

    Args:
        powers: what this node is able to do for its pods.
    """
    fields = [f"spec.{name}" for name in _in_vain(pod.spec, IGNORED_POD_FIELDS)]
    fields += [f"spec.{name}" for name in _powerless(pod.spec, POWERLESS_POD_FIELDS, powers)]
    for path, container in _containers(pod.spec):
        fields += [f"{path}.{name}" for name in _in_vain(container, IGNORED_CONTAINER_FIELDS)]
        fields += [
            f"{path}.{name}" for name in _powerless(container, POWERLESS_CONTAINER_FIELDS, powers)
        ]
    if fields:
        yield f"has no effect here: {', '.join(fields)}"
    yield from notices(pod, in_memory=Power.MOUNTS_MEMORY in powers)


def _in_vain(shape: S, table: Mapping[str, Callable[[S], bool]]) -> Iterator[str]:
    return (name for name, asks in table.items() if asks(shape))


def _powerless(
    shape: S, table: Mapping[str, tuple[Power, Callable[[S], bool]]], powers: Collection[Power]
) -> Iterator[str]:
    return (name for name, (need, asks) in table.items() if need not in powers and asks(shape))


def _containers(spec: PodSpec) -> Iterator[tuple[str, ContainerCommon]]:
    """Those that are run here, each with its path."""
    for container in spec.init_containers:
        yield f"spec.initContainers[{container.name}]", container
    for container in spec.containers:
        yield f"spec.containers[{container.name}]", container


def refusal(
    pod: Pod, *, uid: int, powers: Collection[Power] = (), has_cluster: bool = True
) -> Rejection | None:
    """Why this node will not run the pod; None if it will.

    Args:
        pod: defaulted and valid.
        uid: the kubelet's own user.
        powers: what this node is able to do for its pods.
        has_cluster: whether there is an API server to ask for what the pod refers to.
    """
    if pod.spec.os is not None and pod.spec.os.name != OSName.LINUX:
        # Source: kubernetes pkg/kubelet/lifecycle/predicate.go
        return Rejection(_OTHER_OS, "Failed to admit pod as the OS field doesn't match node OS")
    runs_as_root = uid == 0 and Power.CHANGES_USERS not in powers
    if runs_as_root and (field := _asks_for_another_user(pod.spec)) is not None:
        return Rejection(
            _UNSUPPORTED,
            f"{field}: this node cannot run it as another user, and it would run as root",
        )
    if not has_cluster and (reference := next(_of_a_cluster(pod.spec), None)) is not None:
        return Rejection(_UNSUPPORTED, f"{reference} is known to a cluster only; {WITHOUT_CLUSTER}")
    return None


def _of_a_cluster(spec: PodSpec) -> Iterator[str]:
    """What the pod refers to and only an API server, or a node that has one, could tell."""
    for path, container in _containers(spec):
        for origin in container.env_from:
            yield f"{path}.envFrom: {described(origin)}"
        for variable in container.env:
            if (source := variable.value_from) is not None and _is_of_a_cluster(source):
                yield f"{path}.env[{variable.name}]: {described(source)}"
    for volume in spec.volumes:
        for field in volume.sources():
            if field in _CLUSTER_VOLUMES:
                yield f"spec.volumes[{volume.name}]: {field}"
        for projection in (volume.projected and volume.projected.sources) or ():
            for field in projection.sources():
                if field in _CLUSTER_VOLUMES:
                    yield f"spec.volumes[{volume.name}]: projected {field}"


_CLUSTER_VOLUMES: Final = frozenset({"configMap", "secret", "serviceAccountToken"})


def _is_of_a_cluster(source: EnvVarSource) -> bool:
    if source.field_ref is not None:
        return source.field_ref.field_path.startswith("status.")
    return bool(source.config_map_key_ref or source.secret_key_ref)


def _asks_for_another_user(spec: PodSpec) -> str | None:
    """The field that does; what a container says holds, where it is silent the pod's word does."""
    of_pod = spec.security_context or PodSecurityContext()
    for path, container in _containers(spec):
        own = container.security_context or SecurityContext()
        for name, value, inherited in (
            ("runAsNonRoot", own.run_as_non_root, of_pod.run_as_non_root),
            ("runAsUser", own.run_as_user, of_pod.run_as_user),
        ):
            if value:
                return f"{path}.securityContext.{name}"
            if value is None and inherited:
                return f"spec.securityContext.{name}"
    return None
