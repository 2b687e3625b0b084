"""What of a pod's spec this node refuses, and what it passes over. Pure.

A field that means nothing here is accepted and told of once, as an event; one that keeps somebody
safe is refused where passing over it would be dangerous. The tables below are the truth that
`docs/reference/pod-fields.md` is checked against.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from krustlet.objects import (
    DEFAULT_TERMINATION_MESSAGE_PATH,
    WITHOUT_CLUSTER,
    ContainerCommon,
    ContainerPort,
    EnvVarSource,
    OSName,
    Pod,
    PodSecurityContext,
    PodSpec,
    RestartRuleAction,
    SecurityContext,
    TerminationMessagePolicy,
)
from krustlet.pods.env import described
from krustlet.pods.state import Rejection
from krustlet.volumes import notices

IGNORED_REASON: Final = "FieldsIgnored"
_UNSUPPORTED: Final = "PodFeatureUnsupported"
_OTHER_OS: Final = "PodOSNotSupported"

IGNORED_CONTAINER_FIELDS: Final[Mapping[str, Callable[[ContainerCommon], bool]]] = {
    "lifecycle": lambda c: c.lifecycle is not None,
    "livenessProbe": lambda c: c.liveness_probe is not None,
    "ports": lambda c: any(map(_is_mapped, c.ports)),
    "readinessProbe": lambda c: c.readiness_probe is not None,
    "startupProbe": lambda c: c.startup_probe is not None,
    "resources": lambda c: bool(c.resources.limits or c.resources.requests),
    "restartPolicyRules": lambda c: any(
        rule.action != RestartRuleAction.RESTART for rule in c.restart_policy_rules
    ),
    "securityContext": lambda c: c.security_context not in (None, SecurityContext()),
    "stdin": lambda c: c.stdin,
    "terminationMessagePath": lambda c: (
        c.termination_message_path not in ("", DEFAULT_TERMINATION_MESSAGE_PATH)
    ),
    "terminationMessagePolicy": lambda c: (
        c.termination_message_policy not in ("", TerminationMessagePolicy.FILE)
    ),
    "tty": lambda c: c.tty,
    "volumeDevices": lambda c: bool(c.volume_devices),
    "workingDir": lambda c: c.working_dir not in ("", "/"),
}

IGNORED_POD_FIELDS: Final[Mapping[str, Callable[[PodSpec], bool]]] = {
    "activeDeadlineSeconds": lambda s: s.active_deadline_seconds is not None,
    "dnsConfig": lambda s: s.dns_config is not None,
    "ephemeralContainers": lambda s: bool(s.ephemeral_containers),
    "hostAliases": lambda s: bool(s.host_aliases),
    "hostIPC": lambda s: s.host_ipc,
    "hostPID": lambda s: s.host_pid,
    "hostUsers": lambda s: s.host_users is False,
    "hostname": lambda s: bool(s.hostname),
    "hostnameOverride": lambda s: bool(s.hostname_override),
    "readinessGates": lambda s: bool(s.readiness_gates),
    "resourceClaims": lambda s: bool(s.resource_claims),
    "resources": lambda s: s.resources is not None,
    "securityContext": lambda s: s.security_context not in (None, PodSecurityContext()),
    "setHostnameAsFQDN": lambda s: bool(s.set_hostname_as_fqdn),
    "shareProcessNamespace": lambda s: bool(s.share_process_namespace),
    "subdomain": lambda s: bool(s.subdomain),
}


def _is_mapped(port: ContainerPort) -> bool:
    """Whether it is to be reached under another number, or at one address of the host's only."""
    return port.host_port not in (0, port.container_port) or bool(port.host_ip)


def ignored(pod: Pod) -> Iterator[str]:
    """What the pod asks for in vain: a sentence for all fields, and one for each volume's wish."""
    fields = [f"spec.{name}" for name, asks in IGNORED_POD_FIELDS.items() if asks(pod.spec)]
    for path, container in _containers(pod.spec):
        fields += [
            f"{path}.{name}" for name, asks in IGNORED_CONTAINER_FIELDS.items() if asks(container)
        ]
    if fields:
        yield f"has no effect here: {', '.join(fields)}"
    yield from notices(pod)


def _containers(spec: PodSpec) -> Iterator[tuple[str, ContainerCommon]]:
    """Those that are run here, each with its path."""
    for container in spec.init_containers:
        yield f"spec.initContainers[{container.name}]", container
    for container in spec.containers:
        yield f"spec.containers[{container.name}]", container


def refusal(pod: Pod, *, uid: int, has_cluster: bool = True) -> Rejection | None:
    """Why this node will not run the pod; None if it will.

    Args:
        pod: defaulted and valid.
        uid: the user that containers run as, which is the kubelet's own.
        has_cluster: whether there is an API server to ask for what the pod refers to.
    """
    if pod.spec.os is not None and pod.spec.os.name != OSName.LINUX:
        # Source: kubernetes pkg/kubelet/lifecycle/predicate.go
        return Rejection(_OTHER_OS, "Failed to admit pod as the OS field doesn't match node OS")
    if uid == 0 and (field := _asks_for_another_user(pod.spec)) is not None:
        return Rejection(
            _UNSUPPORTED,
            f"{field} is not supported yet, and without it the pod would run as root",
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
