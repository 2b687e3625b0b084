"""What pods tell becomes statuses and events of the API."""

from krustlet.kubelet.sink import ApiSink, NodeEvents
from krustlet.objects import ObjectReference, Pod, PodStatus
from krustlet.pods import PodEvent
from tests.support.pods import a_container, a_pod


class FakeWriter:
    def __init__(self) -> None:
        self.told: list[str] = []

    def publish(self, pod: Pod, status: PodStatus) -> None:
        self.told.append(f"{pod.name} is {status.phase}")

    async def until_told(self, uid: str) -> None:
        self.told.append(f"waiting for {uid}")

    def finish(self, pod: Pod) -> None:
        self.told.append(f"{pod.name} is gone")


class FakeEvents:
    def __init__(self) -> None:
        self.told: list[tuple[ObjectReference, str, str, str]] = []

    def emit(self, about: ObjectReference, *, kind: str, reason: str, message: str) -> None:
        self.told.append((about, kind, reason, message))


def _sink() -> tuple[ApiSink, FakeWriter, FakeEvents, list[str]]:
    writer, events, gone = FakeWriter(), FakeEvents(), list[str]()
    return ApiSink(writer, events, on_gone=lambda pod: gone.append(pod.name)), writer, events, gone


def test_statuses_are_written_and_who_is_gone_is_told_first() -> None:
    sink, writer, _, gone = _sink()
    sink.publish(a_pod(), PodStatus(phase="Running"))
    sink.gone(a_pod())
    assert writer.told == ["web is Running", "web is gone"]
    assert gone == ["web"]


async def test_what_was_published_is_told_when_the_writer_has_written_it() -> None:
    sink, writer, _, _ = _sink()
    await sink.until_told(a_pod())
    assert writer.told == [f"waiting for {a_pod().uid}"]


def test_an_event_names_the_container_as_kubectl_expects_it() -> None:
    pod = a_pod(a_container("app"), init=(a_container("first"),))
    sink, _, events, _ = _sink()
    for container in ("app", "first", ""):
        sink.emit(pod, PodEvent(reason="Pulled", message="m", container=container))
    assert [about.field_path for about, *_ in events.told] == [
        "spec.containers{app}",
        "spec.initContainers{first}",
        "",
    ]
    about = events.told[0][0]
    assert (about.kind, about.namespace, about.name, about.uid) == ("Pod", "shop", "web", pod.uid)


def test_a_hint_follows_the_message_of_a_warning() -> None:
    sink, _, events, _ = _sink()
    sink.emit(a_pod(), PodEvent(reason="Failed", message="no", kind="Warning", hint="try this"))
    sink.emit(a_pod(), PodEvent(reason="Pulled", message="yes", hint="unused"))
    assert [message for *_, message in events.told] == ["no (try this)", "yes"]


def test_an_event_of_the_node_is_found_by_its_name() -> None:
    events = FakeEvents()
    NodeEvents(events, "n1").emit("Normal", "Starting", "Starting kubelet.")
    [(about, kind, reason, message)] = events.told
    assert (about.kind, about.name, about.uid, about.namespace) == ("Node", "n1", "n1", "")
    assert (kind, reason, message) == ("Normal", "Starting", "Starting kubelet.")
