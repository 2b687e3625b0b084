"""What is wrong with one container."""

from typing import Final

from krustlet.objects.container import (
    Container,
    ContainerCommon,
    ContainerPort,
    ContainerRestartRule,
    EphemeralContainer,
)
from krustlet.objects.path import FieldPath
from krustlet.objects.pod import PodSpec
from krustlet.objects.validation.env import environment
from krustlet.objects.validation.mount import volume_devices, volume_mounts
from krustlet.objects.validation.probe import none_allowed, probes_and_hooks
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    one_of,
    port_number,
    required,
    unique,
)
from krustlet.objects.validation.resources import resize_policies, resources
from krustlet.objects.validation.security import container_security
from krustlet.objects.validation.syntax import dns_label, port_name
from krustlet.objects.words import (
    ExitCodeOperator,
    OSName,
    Protocol,
    PullPolicy,
    RestartPolicy,
    RestartRuleAction,
    TerminationMessagePolicy,
)

_RULES_MAX: Final = 20
_EXIT_CODES_MAX: Final = 255
_SIGNAL_NAMES: Final = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMIN"
    " SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ"
)
_SIGNALS: Final = {
    *(f"SIG{name}" for name in _SIGNAL_NAMES.split()),
    *(f"SIGRTMIN+{number}" for number in range(1, 16)),
    *(f"SIGRTMAX-{number}" for number in range(1, 15)),
}
_WINDOWS_SIGNALS: Final = {"SIGKILL", "SIGTERM"}


def app_container(at: FieldPath, container: Container, spec: PodSpec) -> Problems:
    yield from _common(at, container, spec)
    yield from _restarting(at, container)
    yield from _stop_signal(at / "lifecycle" / "stopSignal", container, spec)
    yield from probes_and_hooks(at, container, spec.termination_grace_period_seconds)


def init_container(at: FieldPath, container: Container, spec: PodSpec) -> Problems:
    yield from _common(at, container, spec)
    yield from _restarting(at, container)
    if container.restart_policy == RestartPolicy.ALWAYS:
        yield from _stop_signal(at / "lifecycle" / "stopSignal", container, spec)
        yield from probes_and_hooks(at, container, spec.termination_grace_period_seconds)
    else:
        why = "an init container has it only with `restartPolicy: Always`"
        yield from none_allowed(at, container, why=why)


def ephemeral_container(at: FieldPath, container: EphemeralContainer, spec: PodSpec) -> Problems:
    yield from _common(at, container, spec)
    yield from none_allowed(at, container, why="an ephemeral container has none")
    others = {other.name for other in (*spec.init_containers, *spec.containers)}
    target = container.target_container_name
    if target and target not in others:
        yield Problem(at / "targetContainerName", f"there is no container `{target}`")


def _common(at: FieldPath, container: ContainerCommon, spec: PodSpec) -> Problems:
    yield from _name(at / "name", container.name)
    yield from _image(at / "image", container.image)
    yield from one_of(at / "imagePullPolicy", container.image_pull_policy, PullPolicy)
    yield from one_of(
        at / "terminationMessagePolicy",
        container.termination_message_policy,
        TerminationMessagePolicy,
    )
    yield from _ports(at / "ports", container, spec)
    yield from environment(at, container, spec.volumes)
    yield from volume_mounts(at / "volumeMounts", container, spec.volumes)
    yield from volume_devices(at / "volumeDevices", container, spec.volumes)
    yield from resources(at / "resources", container.resources)
    yield from resize_policies(at / "resizePolicy", container, spec.restart_policy)
    if container.security_context is not None:
        yield from container_security(at / "securityContext", container.security_context)


def _name(at: FieldPath, name: str) -> Problems:
    yield from required(at, name)
    if name:
        yield from dns_label(at, name)


def _image(at: FieldPath, image: str) -> Problems:
    yield from required(at, image)
    if image != image.strip():
        yield Problem(at, f"`{image}` has blanks around it")


def _ports(at: FieldPath, container: ContainerCommon, spec: PodSpec) -> Problems:
    yield from unique(at, (port.name for port in container.ports), field="name")
    for index, port in enumerate(container.ports):
        yield from _port(at / index, port, spec.host_network)


def _port(at: FieldPath, port: ContainerPort, host_network: bool) -> Problems:
    yield from required(at / "containerPort", port.container_port)
    if port.container_port:
        yield from port_number(at / "containerPort", port.container_port)
    if port.host_port:
        yield from port_number(at / "hostPort", port.host_port)
    if host_network and port.host_port not in (0, port.container_port):
        yield Problem(
            at / "hostPort",
            f"{port.host_port} is not the `containerPort` {port.container_port}",
            "with `hostNetwork: true` they are the same",
        )
    if port.name:
        yield from port_name(at / "name", port.name)
    yield from one_of(at / "protocol", port.protocol, Protocol)


def _restarting(at: FieldPath, container: Container) -> Problems:
    yield from one_of(at / "restartPolicy", container.restart_policy, RestartPolicy)
    rules = container.restart_policy_rules
    if rules and container.restart_policy is None:
        yield Problem(at / "restartPolicy", "is missing", "`restartPolicyRules` need it")
    if len(rules) > _RULES_MAX:
        yield Problem(at / "restartPolicyRules", f"{len(rules)} rules are more than {_RULES_MAX}")
    for index, rule in enumerate(rules):
        yield from _restart_rule(at / "restartPolicyRules" / index, rule)


def _restart_rule(at: FieldPath, rule: ContainerRestartRule) -> Problems:
    yield from required(at / "action", rule.action)
    yield from one_of(at / "action", rule.action, RestartRuleAction)
    yield from required(at / "exitCodes", rule.exit_codes)
    if (codes := rule.exit_codes) is not None:
        yield from required(at / "exitCodes" / "operator", codes.operator)
        yield from one_of(at / "exitCodes" / "operator", codes.operator, ExitCodeOperator)
        if len(codes.values) > _EXIT_CODES_MAX:
            many = f"{len(codes.values)} values are more than {_EXIT_CODES_MAX}"
            yield Problem(at / "exitCodes" / "values", many)


def _stop_signal(at: FieldPath, container: Container, spec: PodSpec) -> Problems:
    signal = container.lifecycle and container.lifecycle.stop_signal
    if not signal:
        return
    if spec.os is None:
        yield Problem(at, "needs `spec.os.name`", "such as `linux`")
    elif signal not in (_WINDOWS_SIGNALS if spec.os.name == OSName.WINDOWS else _SIGNALS):
        yield Problem(at, f"`{signal}` is no signal", "such as `SIGTERM`")
