"""What is wrong with a pod as a whole."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from krustlet.objects.container import Container
from krustlet.objects.path import FieldPath
from krustlet.objects.pod import Pod, PodDNSConfig, PodSpec, Toleration
from krustlet.objects.validation.container import (
    app_container,
    ephemeral_container,
    init_container,
)
from krustlet.objects.validation.metadata import labels, metadata
from krustlet.objects.validation.problem import Problem, Problems, one_of, required, within
from krustlet.objects.validation.resources import amounts, resources
from krustlet.objects.validation.security import pod_security
from krustlet.objects.validation.syntax import (
    dns_label,
    dns_subdomain,
    label_value,
    qualified_name,
    search_domain,
)
from krustlet.objects.validation.volume import volumes
from krustlet.objects.words import (
    DNSPolicy,
    OSName,
    PreemptionPolicy,
    RestartPolicy,
    TaintEffect,
    TolerationOperator,
)

_DEADLINE_MOST_S: Final = 2**31 - 1
_NAMESERVERS_MAX: Final = 3
_HOSTNAME_MAX: Final = 64
_SEARCHES_MAX: Final = 32
_SEARCHES_MAX_CHARACTERS: Final = 2048
_SPEC: Final = FieldPath(("spec",))


def validate(pod: Pod) -> list[Problem]:
    """What the API server would refuse in this pod on creation; nothing where it is sound.

    Meant for pods that a person wrote and that `with_defaults` completed. A field that is not set
    is no problem unless the pod needs it.

    Source: kubernetes `pkg/apis/core/validation/validation.go`.
    """
    return [*metadata(FieldPath(("metadata",)), pod.metadata), *_spec(_SPEC, pod.spec)]


def _spec(at: FieldPath, spec: PodSpec) -> Problems:
    yield from volumes(at / "volumes", spec.volumes)
    yield from _containers(at, spec)
    yield from _container_names(at, spec)
    yield from _host_ports(at, spec)
    yield from one_of(at / "restartPolicy", spec.restart_policy, RestartPolicy)
    yield from one_of(at / "preemptionPolicy", spec.preemption_policy, PreemptionPolicy)
    yield from _times(at, spec)
    yield from _names(at, spec)
    yield from _dns(at, spec)
    yield from _tolerations(at / "tolerations", spec.tolerations)
    yield from amounts(at / "overhead", spec.overhead)
    if spec.resources is not None:
        yield from resources(at / "resources", spec.resources)
    if spec.security_context is not None:
        yield from pod_security(at / "securityContext", spec.security_context)
    if spec.os is not None:
        yield from required(at / "os" / "name", spec.os.name)
        yield from one_of(at / "os" / "name", spec.os.name, OSName)


def _containers(at: FieldPath, spec: PodSpec) -> Problems:
    if not spec.containers:
        hint = 'such as `- {name: hello, image: "file:hello.wasm"}`'
        yield Problem(at / "containers", "is empty, but a pod needs a container", hint)
    for index, container in enumerate(spec.init_containers):
        yield from init_container(at / "initContainers" / index, container, spec)
    for index, container in enumerate(spec.containers):
        yield from app_container(at / "containers" / index, container, spec)
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        yield from ephemeral_container(at / "ephemeralContainers" / index, ephemeral, spec)
    if spec.ephemeral_containers:
        why = "they are added to a pod that runs, by `kubectl debug`"
        yield Problem(at / "ephemeralContainers", "cannot be set on creation", why)


def _container_names(at: FieldPath, spec: PodSpec) -> Problems:
    """One name, one container, whatever its kind."""
    first: dict[str, FieldPath] = {}
    for where, name in _named(at, spec):
        if name in first:
            yield Problem(where / "name", f"`{name}` is already taken by {first[name]}")
        elif name:
            first[name] = where


def _named(at: FieldPath, spec: PodSpec) -> Iterator[tuple[FieldPath, str]]:
    kinds = {
        "initContainers": spec.init_containers,
        "containers": spec.containers,
        "ephemeralContainers": spec.ephemeral_containers,
    }
    for kind, containers in kinds.items():
        for index, container in enumerate(containers):
            yield at / kind / index, container.name


def _host_ports(at: FieldPath, spec: PodSpec) -> Problems:
    """App containers run together, init containers one by one."""
    yield from _host_port_clashes(at / "containers", spec.containers, first=0)
    for index, container in enumerate(spec.init_containers):
        yield from _host_port_clashes(at / "initContainers", [container], first=index)


def _host_port_clashes(at: FieldPath, containers: Sequence[Container], *, first: int) -> Problems:
    taken: dict[tuple[str, str, int], FieldPath] = {}
    for index, container in enumerate(containers, start=first):
        for number, port in enumerate(container.ports):
            where = at / index / "ports" / number
            claim = (port.protocol, port.host_ip, port.host_port)
            if port.host_port and taken.setdefault(claim, where) != where:
                clash = f"{port.host_port} is already taken by {taken[claim]}"
                yield Problem(where / "hostPort", clash)


def _times(at: FieldPath, spec: PodSpec) -> Problems:
    grace_s, deadline_s = spec.termination_grace_period_seconds, spec.active_deadline_seconds
    yield from within(at / "terminationGracePeriodSeconds", grace_s, least=0)
    yield from within(at / "activeDeadlineSeconds", deadline_s, least=1, most=_DEADLINE_MOST_S)


def _names(at: FieldPath, spec: PodSpec) -> Problems:
    yield from labels(at / "nodeSelector", spec.node_selector)
    subdomains = {
        "serviceAccountName": spec.service_account_name,
        "nodeName": spec.node_name,
        "priorityClassName": spec.priority_class_name,
    }
    for field, name in subdomains.items():
        if name:
            yield from dns_subdomain(at / field, name)
    if spec.runtime_class_name is not None:
        yield from dns_subdomain(at / "runtimeClassName", spec.runtime_class_name)
    for field, name in {"hostname": spec.hostname, "subdomain": spec.subdomain}.items():
        if name:
            yield from dns_label(at / field, name)
    if spec.hostname_override is not None:
        yield from _hostname_override(at / "hostnameOverride", spec.hostname_override, spec)
    for index, gate in enumerate(spec.readiness_gates):
        where = at / "readinessGates" / index / "conditionType"
        yield from qualified_name(where, gate.condition_type)
    for index, scheduling in enumerate(spec.scheduling_gates):
        yield from qualified_name(at / "schedulingGates" / index / "name", scheduling.name)


def _hostname_override(at: FieldPath, name: str, spec: PodSpec) -> Problems:
    yield from dns_subdomain(at, name)
    if len(name) > _HOSTNAME_MAX:
        yield Problem(at, f"{len(name)} characters are more than {_HOSTNAME_MAX}")
    if spec.host_network:
        yield Problem(at, "cannot stand beside `hostNetwork: true`")
    if spec.set_hostname_as_fqdn:
        yield Problem(at, "cannot stand beside `setHostnameAsFQDN: true`")


def _dns(at: FieldPath, spec: PodSpec) -> Problems:
    yield from one_of(at / "dnsPolicy", spec.dns_policy, DNSPolicy)
    config = spec.dns_config
    if spec.dns_policy == DNSPolicy.NONE and not (config and config.nameservers):
        missing = at / "dnsConfig" / "nameservers"
        yield Problem(missing, "is missing", "`dnsPolicy: None` needs one at least")
    if config is not None:
        yield from _dns_config(at / "dnsConfig", config)
    for index, alias in enumerate(spec.host_aliases):
        yield from _address(at / "hostAliases" / index / "ip", alias.ip)
        for number, hostname in enumerate(alias.hostnames):
            yield from dns_subdomain(at / "hostAliases" / index / "hostnames" / number, hostname)


def _dns_config(at: FieldPath, config: PodDNSConfig) -> Problems:
    if len(config.nameservers) > _NAMESERVERS_MAX:
        many = f"{len(config.nameservers)} name servers are more than {_NAMESERVERS_MAX}"
        yield Problem(at / "nameservers", many)
    for index, address in enumerate(config.nameservers):
        yield from _address(at / "nameservers" / index, address)
    yield from _searches(at / "searches", config.searches)
    for index, option in enumerate(config.options):
        yield from required(at / "options" / index / "name", option.name)


def _searches(at: FieldPath, searches: Sequence[str]) -> Problems:
    if len(searches) > _SEARCHES_MAX:
        yield Problem(at, f"{len(searches)} domains are more than {_SEARCHES_MAX}")
    if (length := len(" ".join(searches))) > _SEARCHES_MAX_CHARACTERS:
        yield Problem(at, f"{length} characters are more than {_SEARCHES_MAX_CHARACTERS}")
    for index, domain in enumerate(searches):
        yield from search_domain(at / index, domain)


def _address(at: FieldPath, text: str) -> Problems:
    try:
        ip_address(text)
    except ValueError:
        yield Problem(at, f"`{text}` is no IP address")


def _tolerations(at: FieldPath, tolerations: Sequence[Toleration]) -> Problems:
    for index, toleration in enumerate(tolerations):
        yield from _toleration(at / index, toleration)


def _toleration(at: FieldPath, toleration: Toleration) -> Problems:
    yield from one_of(at / "operator", toleration.operator, TolerationOperator)
    yield from one_of(at / "effect", toleration.effect, TaintEffect)
    exists = toleration.operator == TolerationOperator.EXISTS
    if toleration.key:
        yield from qualified_name(at / "key", toleration.key)
    elif not exists:
        yield Problem(at / "operator", "must be `Exists` where there is no `key`")
    if exists and toleration.value:
        yield Problem(at / "value", "must be empty where the operator is `Exists`")
    elif toleration.operator in ("", TolerationOperator.EQUAL):
        yield from label_value(at / "value", toleration.value)
    for_a_while = toleration.toleration_seconds is not None
    if for_a_while and toleration.effect != TaintEffect.NO_EXECUTE:
        yield Problem(at / "effect", "must be `NoExecute` where `tolerationSeconds` is set")
