"""Whoever follows the changes knows what the server has, whatever was missed on the way."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from krustlet.kube import Applied, Change, Listed, Listing, ObjectId, Removed, WatchEvent, WatchType
from krustlet.kube.changes import Mirror
from krustlet.objects import ObjectMeta, Pod


def a_pod(name: str = "web", *, uid: str = "u1", version: str = "1") -> Pod:
    meta = ObjectMeta(name=name, namespace="default", uid=uid, resource_version=version)
    return Pod(metadata=meta)


def a_listing(*pods: Pod, unreadable: tuple[ObjectId, ...] = ()) -> Listing[Pod]:
    return Listing(pods, "100", unreadable)


def an_event(kind: WatchType, pod: Pod) -> WatchEvent[Pod]:
    return WatchEvent(kind, pod, pod.metadata.resource_version)


def told(mirror: Mirror[Pod], *events: WatchEvent[Pod]) -> list[Change[Pod]]:
    return [change for event in events for change in mirror.note(event)]


def a_mirror(*pods: Pod) -> Mirror[Pod]:
    mirror: Mirror[Pod] = Mirror()
    assert list(mirror.take(a_listing(*pods))) == [Listed(pods)]
    return mirror


def test_the_first_list_is_told_as_one_even_if_it_is_empty() -> None:
    a_mirror()
    a_mirror(a_pod("a"), a_pod("b"))


def test_a_later_list_is_told_as_what_is_different() -> None:
    same, old, gone = a_pod("same"), a_pod("changed"), a_pod("gone")
    mirror = a_mirror(same, old, gone)
    changed, new = a_pod("changed", version="2"), a_pod("new")

    changes = list(mirror.take(a_listing(same, changed, new)))

    assert changes == [Removed(gone), Applied(changed), Applied(new)]
    assert list(mirror.take(a_listing(same, changed, new))) == []


def test_a_list_with_another_object_of_the_name_removes_the_old_one_first() -> None:
    old, new = a_pod(uid="u1", version="7"), a_pod(uid="u2", version="7")
    assert list(a_mirror(old).take(a_listing(new))) == [Removed(old), Applied(new)]


def test_an_object_that_cannot_be_read_any_more_is_not_gone() -> None:
    pod = a_pod()
    mirror = a_mirror(pod)
    unreadable = ObjectId(name="web", namespace="default", uid="u1")

    assert list(mirror.take(a_listing(unreadable=(unreadable,)))) == []
    assert list(mirror.take(a_listing())) == [Removed(pod)]


def test_events_are_told_once() -> None:
    mirror = a_mirror()
    pod, last = a_pod(version="2"), a_pod(version="3")
    added, deleted = an_event(WatchType.ADDED, pod), an_event(WatchType.DELETED, last)

    assert told(mirror, added, added) == [Applied(pod)]
    assert told(mirror, deleted, deleted) == [Removed(last)]


def test_an_event_of_another_object_of_the_name_removes_the_old_one_first() -> None:
    old, new = a_pod(uid="u1"), a_pod(uid="u2", version="5")
    assert told(a_mirror(old), an_event(WatchType.ADDED, new)) == [Removed(old), Applied(new)]


def test_the_late_end_of_an_object_does_not_end_its_successor() -> None:
    mirror = a_mirror(a_pod(uid="u2"))
    assert told(mirror, an_event(WatchType.DELETED, a_pod(uid="u1"))) == []


def test_a_bookmark_tells_nothing() -> None:
    assert told(a_mirror(), WatchEvent(WatchType.BOOKMARK, None, "9")) == []


# (name, uid, version): what the server has at one moment, at most one of a name
STATES = st.dictionaries(
    st.sampled_from("abc"), st.tuples(st.sampled_from("12"), st.sampled_from("12")), max_size=3
)


@given(st.lists(STATES, min_size=1, max_size=6))
def test_following_the_changes_is_knowing_the_server(
    history: list[dict[str, tuple[str, str]]],
) -> None:
    mirror: Mirror[Pod] = Mirror()
    follower: dict[str, Pod] = {}

    for state in history:
        pods = [a_pod(name, uid=uid, version=version) for name, (uid, version) in state.items()]
        follow(follower, mirror.take(a_listing(*pods)))

        assert sorted(follower.values(), key=lambda pod: pod.name) == sorted(
            pods, key=lambda pod: pod.name
        )


def follow(known: dict[str, Pod], changes: Iterable[Change[Pod]]) -> None:
    """Be strict: nobody removes what is not there, or replaces an object that was not removed."""
    for change in changes:
        match change:
            case Listed(objects):
                assert known == {}
                known.update((pod.name, pod) for pod in objects)
            case Applied(pod):
                assert pod.name not in known or known[pod.name].uid == pod.uid
                known[pod.name] = pod
            case Removed(pod):
                assert known.pop(pod.name) == pod
