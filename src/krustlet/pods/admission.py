"""What of a pod's spec this node refuses, and what it passes over. Pure.

A field that means nothing here is accepted and told of once, as an event; one that keeps somebody
safe is refused where passing over it would be dangerous. The tables below are the truth that
`docs/reference/pod-fields.md` is checked against.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from krustlet.objects import ContainerCommon, Pod, PodSecurityContext, PodSpec, SecurityContext
from krustlet.pods.state import Rejection
from krustlet.volumes import notices

IGNORED_REASON: Final = "FieldsIgnored"
_UNSUPPORTED: Final = "PodFeatureUnsupported"

IGNORED_CONTAINER_FIELDS: Final[Mapping[str, Callable[[ContainerCommon], bool]]] = {
    "lifecycle": lambda c: c.lifecycle is not None,
    "livenessProbe": lambda c: c.liveness_probe is not None,
    "readinessProbe": lambda c: c.readiness_probe is not None,
    "startupProbe": lambda c: c.startup_probe is not None,
    "resources": lambda c: bool(c.resources.limits or c.resources.requests),
    "restartPolicyRules": lambda c: bool(c.restart_policy_rules),
    "securityContext": lambda c: c.security_context not in (None, SecurityContext()),
    "stdin": lambda c: c.stdin,
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
    "hostname": lambda s: bool(s.hostname),
    "readinessGates": lambda s: bool(s.readiness_gates),
    "resources": lambda s: s.resources is not None,
    "securityContext": lambda s: s.security_context not in (None, PodSecurityContext()),
    "shareProcessNamespace": lambda s: bool(s.share_process_namespace),
}


def ignored(pod: Pod) -> Iterator[str]:
    """One sentence for each thing the pod asks for in vain."""
    fields = [f"spec.{name}" for name, asks in IGNORED_POD_FIELDS.items() if asks(pod.spec)]
    for kind, containers in (
        ("initContainers", pod.spec.init_containers),
        ("containers", pod.spec.containers),
    ):
        for container in containers:
            fields += [
                f"spec.{kind}[{container.name}].{name}"
                for name, asks in IGNORED_CONTAINER_FIELDS.items()
                if asks(container)
            ]
    if fields:
        yield f"has no effect here: {', '.join(fields)}"
    yield from notices(pod)


def refusal(pod: Pod, *, uid: int) -> Rejection | None:
    """Why this node will not run the pod; None if it will.

    Args:
        pod: defaulted and valid.
        uid: the user that containers run as, which is the kubelet's own.
    """
    if uid == 0 and (field := _asks_for_another_user(pod.spec)) is not None:
        return Rejection(
            _UNSUPPORTED,
            f"Pod was rejected: {field} is not supported yet, and without it the pod "
            "would run as root",
        )
    return None


def _asks_for_another_user(spec: PodSpec) -> str | None:
    contexts: list[tuple[str, PodSecurityContext | SecurityContext | None]]
    contexts = [("spec", spec.security_context)]
    contexts += [(f"spec.containers[{c.name}]", c.security_context) for c in spec.all_containers()]
    for path, context in contexts:
        if context is None:
            continue
        if context.run_as_non_root:
            return f"{path}.securityContext.runAsNonRoot"
        if context.run_as_user:
            return f"{path}.securityContext.runAsUser"
    return None
