"""Tell the owner of one pod what happened to it, in the kubelet's own words."""

from krustlet.objects import Pod
from krustlet.pods.ports import PodEvent, Sink


class Reporter:
    """Makes events of one pod, which its worker may replace by a newer version of it."""

    def __init__(self, pod: Pod, sink: Sink) -> None:
        self.pod = pod
        self._sink = sink

    def tell(self, reason: str, message: str, *, container: str = "") -> None:
        """Emit an event of the ordinary kind."""
        event = PodEvent(reason=reason, message=message, container=container)
        self._sink.emit(self.pod, event)

    def warn(self, reason: str, message: str, *, container: str = "", hint: str = "") -> None:
        """Emit an event that somebody may have to act on."""
        event = PodEvent(
            reason=reason, message=message, kind="Warning", container=container, hint=hint
        )
        self._sink.emit(self.pod, event)
