"""What is wrong with probes and hooks."""

from collections.abc import Iterator, Mapping
from typing import Final

from krustlet.objects.container import ContainerCommon
from krustlet.objects.path import FieldPath
from krustlet.objects.probe import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from krustlet.objects.shape import Shape
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    exactly_one,
    one_of,
    port_number,
    required,
    within,
)
from krustlet.objects.validation.syntax import header_name, port_name
from krustlet.objects.words import URIScheme

_FIGURES: Final = {
    "initialDelaySeconds": "initial_delay_seconds",
    "timeoutSeconds": "timeout_seconds",
    "periodSeconds": "period_seconds",
    "successThreshold": "success_threshold",
    "failureThreshold": "failure_threshold",
}


def probes_and_hooks(at: FieldPath, container: ContainerCommon, grace_s: int | None) -> Problems:
    for name, probe in _probes(container):
        yield from _probe(at / name, probe)
        if name != "readinessProbe" and probe.success_threshold not in (0, 1):
            yield Problem(
                at / name / "successThreshold",
                f"{probe.success_threshold} is not 1",
                "only a readiness probe may ask for more than one success",
            )
    for name, hook in _hooks(container):
        yield from _hook(at / "lifecycle" / name, hook, grace_s)


def none_allowed(at: FieldPath, container: ContainerCommon, *, why: str) -> Problems:
    """For the containers that may have neither probes nor hooks."""
    for name, _ in _probes(container):
        yield Problem(at / name, "cannot be set here", why)
    if container.lifecycle is not None:
        yield Problem(at / "lifecycle", "cannot be set here", why)


def _probes(container: ContainerCommon) -> Iterator[tuple[str, Probe]]:
    named = {
        "livenessProbe": container.liveness_probe,
        "readinessProbe": container.readiness_probe,
        "startupProbe": container.startup_probe,
    }
    yield from ((name, probe) for name, probe in named.items() if probe is not None)


def _hooks(container: ContainerCommon) -> Iterator[tuple[str, LifecycleHandler]]:
    if (lifecycle := container.lifecycle) is not None:
        named = {"postStart": lifecycle.post_start, "preStop": lifecycle.pre_stop}
        yield from ((name, hook) for name, hook in named.items() if hook is not None)


def _probe(at: FieldPath, probe: Probe) -> Problems:
    actions = {
        "exec": probe.exec,
        "httpGet": probe.http_get,
        "tcpSocket": probe.tcp_socket,
        "grpc": probe.grpc,
    }
    yield from _actions(at, actions)
    for json_name, name in _FIGURES.items():
        yield from within(at / json_name, getattr(probe, name), least=0)
    grace_s = probe.termination_grace_period_seconds
    yield from within(at / "terminationGracePeriodSeconds", grace_s, least=1)


def _hook(at: FieldPath, hook: LifecycleHandler, grace_s: int | None) -> Problems:
    actions = {
        "exec": hook.exec,
        "httpGet": hook.http_get,
        "tcpSocket": hook.tcp_socket,
        "sleep": hook.sleep,
    }
    yield from _actions(at, actions)
    if hook.sleep is not None:
        yield from _sleep(at / "sleep" / "seconds", hook.sleep, grace_s)


def _actions(at: FieldPath, actions: Mapping[str, Shape | None]) -> Problems:
    found = {name: action for name, action in actions.items() if action is not None}
    yield from exactly_one(at, tuple(found), actions)
    for name, action in found.items():
        match action:
            case ExecAction(command=()):
                yield Problem(at / name / "command", "is missing")
            case HTTPGetAction():
                yield from _http_get(at / name, action)
            case TCPSocketAction(port=port):
                yield from _port(at / name / "port", port)
            case GRPCAction(port=port):
                yield from _port(at / name / "port", port)


def _http_get(at: FieldPath, action: HTTPGetAction) -> Problems:
    yield from _port(at / "port", action.port)
    yield from one_of(at / "scheme", action.scheme, URIScheme)
    for index, header in enumerate(action.http_headers):
        yield from header_name(at / "httpHeaders" / index / "name", header.name)


def _port(at: FieldPath, port: int | str) -> Problems:
    yield from required(at, port)
    if isinstance(port, str) and port:
        yield from port_name(at, port)
    elif isinstance(port, int) and port:
        yield from port_number(at, port)


def _sleep(at: FieldPath, sleep: SleepAction, grace_s: int | None) -> Problems:
    if grace_s is not None and grace_s >= 0:  # else that is the problem, and named elsewhere
        yield from within(at, sleep.seconds, least=0, most=grace_s)
