"""How far a pod has come: the questions that both deciding and telling depend on. Pure."""

from krustlet.objects import (
    Container,
    ContainerRestartRule,
    ExitCodeOperator,
    PodSpec,
    RestartPolicy,
    RestartRuleAction,
)
from krustlet.pods.state import ContainerState, PodState, Run


def is_over(spec: PodSpec, pod: PodState) -> bool:
    """Whether no container of the pod will ever run again, and none does."""
    if pod.is_live:
        return False
    given_up = pod.rejection is not None or bool(pod.settled_as) or pod.is_deleted
    return given_up or is_done(spec, pod)


def is_done(spec: PodSpec, pod: PodState) -> bool:
    """Whether nothing is left for the pod to do, though sidecars may still run."""
    return has_failed_init(spec, pod) or all(
        has_ended_for_good(container, spec, pod.containers[container.name])
        for container in spec.containers
    )


def has_failed_init(spec: PodSpec, pod: PodState) -> bool:
    """Whether an init container failed for good, so that the pod never begins."""
    return any(
        has_ended_for_good(init, spec, state) and not state.has_succeeded
        for init in spec.init_containers
        if (state := pod.containers[init.name])
    )


def pending_inits(spec: PodSpec, pod: PodState) -> list[Container]:
    """The init containers that those after them wait for; the first of them holds up the rest.

    One that has let the next begin is not asked again: a sidecar may be down for a while.

    Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go,
    `computeInitContainerActions`.
    """
    in_order = [*spec.init_containers, *spec.containers]
    begun = [i for i, c in enumerate(in_order) if pod.containers[c.name].attempt]
    furthest = max(begun, default=0)
    return [
        init
        for init in spec.init_containers[furthest:]
        if not _lets_next_begin(init, pod.containers[init.name])
    ]


def _lets_next_begin(init: Container, state: ContainerState) -> bool:
    return state.is_up if is_sidecar(init) else state.has_succeeded


def is_sidecar(init: Container) -> bool:
    """Whether this init container runs along for the pod's whole life."""
    return init.restart_policy == RestartPolicy.ALWAYS


def has_ended_for_good(container: Container, spec: PodSpec, state: ContainerState) -> bool:
    """Whether its last run is over and no other is to come."""
    if state.run is not Run.ENDED or state.end is None or state.returns:
        return False
    return not may_restart(container, spec, state.end.code)


def may_restart(container: Container, spec: PodSpec, code: int) -> bool:
    """Whether policy wants it run again after it exited with `code`.

    An init container that has succeeded is never asked about. `RestartAllContainers` is not
    carried out here: such a rule leaves the choice to the policy, as without that feature.

    Source: kubernetes pkg/api/v1/pod/util.go, `ContainerShouldRestart`.
    """
    if container.restart_policy is not None:
        rule = next((r for r in container.restart_policy_rules if _applies(r, code)), None)
        if rule is not None and rule.action == RestartRuleAction.RESTART:
            return True
    match container.restart_policy or spec.restart_policy:
        case RestartPolicy.NEVER:
            return False
        case RestartPolicy.ON_FAILURE:
            return code != 0
        case _:
            return True


def _applies(rule: ContainerRestartRule, code: int) -> bool:
    codes = rule.exit_codes
    if codes is None:
        return False
    match codes.operator:
        case ExitCodeOperator.IN:
            return code in codes.values
        case ExitCodeOperator.NOT_IN:
            return code not in codes.values
        case _:
            return False
