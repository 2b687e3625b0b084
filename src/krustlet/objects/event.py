"""Events: what happened to an object, for the people who look at it."""

from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape


class ObjectReference(Shape, frozen=True, kw_only=True):
    """Which object, and which part of it."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(Shape, frozen=True, kw_only=True):
    """Who tells of it."""

    component: str = ""
    host: str = ""


class Event(Shape, frozen=True, kw_only=True):
    """Of the core group, as kubelets write them.

    Attributes:
        type: `Normal` or `Warning`.
        count: how often it happened between the two times, to the second.
    """

    api_version: str = "v1"
    kind: str = "Event"
    metadata: ObjectMeta = ObjectMeta()
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    count: int = 0
    type: str = ""
    reporting_component: str = ""
    reporting_instance: str = ""


EVENTS: Final = Resource(plural="events", kind="Event", type=Event)
