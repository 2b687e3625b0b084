"""Which pod of the node, and which of its containers, somebody means."""

from collections.abc import Iterable, Sequence
from typing import Final

from krustlet.base import KrustletError, did_you_mean
from krustlet.cli.local_api import one_of
from krustlet.cli.words import remark
from krustlet.objects import DEFAULT_NAMESPACE, Pod

_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"


class PodUnknown(KrustletError):
    """The node has no such pod."""


class ContainerUnknown(KrustletError):
    """The pod has no such container."""


class ContainerEnded(KrustletError):
    """Nothing can be done in the container any more."""


def chosen_pods(pods: Sequence[Pod], *, namespace: str, names: Iterable[str]) -> list[Pod]:
    """The pods of those names; one that is named twice is meant once.

    Raises:
        PodUnknown: there is none of a name.
    """
    wanted = dict.fromkeys(names)
    return [chosen_pod(pods, namespace=namespace, name=name) for name in wanted]


def chosen_pod(pods: Sequence[Pod], *, namespace: str, name: str) -> Pod:
    """The pod of that name.

    Raises:
        PodUnknown: there is none.
    """
    if (pod := one_of(pods, namespace=namespace, name=name)) is not None:
        return pod
    elsewhere = sorted(p.namespace for p in pods if p.name == name)
    if elsewhere:
        hint = f"did you mean the one in -n {elsewhere[0]}?"
    else:
        here = [p.name for p in pods if p.namespace == namespace]
        hint = did_you_mean(name, here) or "`krustlet ps` lists what there is"
    raise PodUnknown(f"no pod {name} in namespace {namespace} on this node", hint=hint)


def chosen_container(pod: Pod, name: str) -> str:
    """The container of that name; without one, the one that is meant by default, and says so where
    nobody has said which.

    Raises:
        ContainerUnknown: there is none.
    """
    names = [c.name for c in pod.spec.all_containers()]
    if name:
        if name not in names:
            hint = did_you_mean(name, names) or f"it has {', '.join(names)}"
            raise ContainerUnknown(f"pod {pod.name} has no container {name}", hint=hint)
        return name
    default = pod.metadata.annotations.get(_DEFAULT_CONTAINER, "")
    if default in names:
        return default
    chosen = pod.spec.containers[0].name
    if len(names) > 1:
        remark(f"Defaulted container {chosen} out of: {', '.join(names)}")
    return chosen


def must_not_have_ended(pod: Pod, container: str) -> None:
    """What waits yet for its start is for the node to tell of.

    Raises:
        ContainerEnded: it has.
    """
    status = pod.status
    for found in (*status.init_container_statuses, *status.container_statuses):
        if found.name == container and (end := found.state.terminated) is not None:
            where = "" if pod.namespace == DEFAULT_NAMESPACE else f"-n {pod.namespace} "
            raise ContainerEnded(
                f'container "{container}" in pod "{pod.name}" is not running: {end.reason}',
                hint=f"what it said last: krustlet logs {where}{pod.name} -c {container}",
            )
