"""Answers are read as far as they can be."""

import msgspec
import pytest

from krustlet.kube import ObjectId, UnreadableAnswer
from krustlet.kube.answers import decoded, decoded_page
from krustlet.objects import Pod


def a_page(*items: object, **metadata: str) -> bytes:
    return msgspec.json.encode({"kind": "PodList", "metadata": metadata, "items": list(items)})


def an_item(name: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "blue", "uid": "u"}}


def test_a_page_says_where_the_next_one_is() -> None:
    page, unreadable = decoded_page(
        a_page(an_item("web"), resourceVersion="9", **{"continue": "more"}), Pod, "list"
    )

    assert [pod.name for pod in page.items or ()] == ["web"]
    assert (page.metadata.resource_version, page.metadata.more, unreadable) == ("9", "more", ())


def test_a_list_of_nothing_may_be_null() -> None:
    page, _ = decoded_page(b'{"metadata":{"resourceVersion":"9"},"items":null}', Pod, "list")
    assert page.items is None


def test_an_object_that_is_none_of_the_kind_does_not_hide_the_others() -> None:
    odd = {**an_item("odd"), "spec": "nothing"}

    page, unreadable = decoded_page(a_page(an_item("web"), odd, resourceVersion="9"), Pod, "list")

    assert [pod.name for pod in page.items or ()] == ["web"]
    assert unreadable == (ObjectId(name="odd", namespace="blue", uid="u"),)
    assert page.metadata.resource_version == "9"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"items":{}}'])
def test_what_is_no_list_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer, match="GET /pods: the answer is not understood"):
        decoded_page(body, Pod, "GET /pods")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"spec":1}'])
def test_what_is_no_object_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer, match="GET /pods/web: the answer is not understood"):
        decoded(body, Pod, "GET /pods/web")
