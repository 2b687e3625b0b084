"""Where the pods of a cluster's node tell of themselves: a `pods.Sink`."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from krustlet.objects import ObjectReference, Pod, PodStatus
from krustlet.pods import PodEvent

_WARNING: Final = "Warning"

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """Of a `StatusWriter`, what is needed here."""

    def publish(self, pod: Pod, status: PodStatus) -> None: ...

    async def until_told(self, uid: str) -> None: ...

    def finish(self, pod: Pod) -> None: ...


class Events(Protocol):
    """Of an `EventRecorder`, what is needed here."""

    def emit(self, about: ObjectReference, *, kind: str, reason: str, message: str) -> None: ...


class ApiSink:
    """Hands on what pods tell: statuses to the writer, events to the recorder."""

    def __init__(self, writer: Writer, events: Events, *, on_gone: Callable[[Pod], None]) -> None:
        """Keep what it is given.

        Args:
            on_gone: told of a pod that nothing is left of on this node.
        """
        self._writer = writer
        self._events = events
        self._on_gone = on_gone

    def publish(self, pod: Pod, status: PodStatus) -> None:
        self._writer.publish(pod, status)

    def emit(self, pod: Pod, event: PodEvent) -> None:
        """An event has no place for a hint, so it follows the message."""
        message = event.message
        if event.kind == _WARNING:
            message = f"{message} ({event.hint})" if event.hint else message
            where = f"{pod.namespace}/{pod.name}"
            log.warning("pod.trouble", pod=where, reason=event.reason, message=message)
        about = _reference(pod, event.container)
        self._events.emit(about, kind=event.kind, reason=event.reason, message=message)

    async def until_told(self, pod: Pod) -> None:
        await self._writer.until_told(pod.uid)

    def gone(self, pod: Pod) -> None:
        log.info("pod.gone", pod=f"{pod.namespace}/{pod.name}")
        self._on_gone(pod)
        self._writer.finish(pod)


def _reference(pod: Pod, container: str) -> ObjectReference:
    return ObjectReference(
        kind="Pod",
        api_version="v1",
        namespace=pod.namespace,
        name=pod.name,
        uid=pod.uid,
        resource_version=pod.metadata.resource_version,
        field_path=_field_path(pod, container) if container else "",
    )


def _field_path(pod: Pod, container: str) -> str:
    """As `kubectl describe` expects it: `spec.containers{name}`."""
    is_init = any(init.name == container for init in pod.spec.init_containers)
    return f"spec.{'initContainers' if is_init else 'containers'}{{{container}}}"


class NodeEvents:
    """Where the node tells of itself."""

    def __init__(self, events: Events, node: str) -> None:
        self._events = events
        # Its uid is its name: the kubelet has always done so, and kubectl looks for it there.
        self._about = ObjectReference(kind="Node", name=node, uid=node)

    def emit(self, kind: str, reason: str, message: str) -> None:
        """Have an Event about this node made."""
        self._events.emit(self._about, kind=kind, reason=reason, message=message)
