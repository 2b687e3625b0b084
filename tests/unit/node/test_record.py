"""What is known of the node is the latest that was heard, whichever way it came."""

from krustlet.node import Deleted
from krustlet.node.record import NodeRecord
from krustlet.objects import Node, ObjectMeta


def a_node(version: str, uid: str = "u1") -> Node:
    return Node(metadata=ObjectMeta(name="n1", uid=uid, resource_version=version))


def knowing(node: Node) -> NodeRecord:
    record = NodeRecord()
    record.keep(node)
    return record


def test_a_later_version_is_news_and_an_earlier_one_is_not() -> None:
    record = knowing(a_node("9"))

    for version in ("8", "9"):
        record.hear(a_node(version))
        assert not record.news.is_set()
    assert record.node == a_node("9")

    record.hear(a_node("10"))
    assert record.news.is_set()
    assert record.node == a_node("10")


def test_an_answer_that_the_watch_has_overtaken_is_dropped() -> None:
    record = knowing(a_node("9"))
    record.hear(a_node("11"))
    record.keep(a_node("10"))
    assert record.node == a_node("11")


def test_an_answer_of_ones_own_is_no_news() -> None:
    record = knowing(a_node("9"))
    record.keep(a_node("10"))
    assert not record.news.is_set()


def test_versions_that_do_not_count_are_later_if_they_differ() -> None:
    record = knowing(a_node("b"))
    record.hear(a_node("a"))
    assert record.node == a_node("a")


def test_another_node_of_that_name_has_versions_of_its_own() -> None:
    record = knowing(a_node("9"))
    record.keep(a_node("3", uid="u2"))
    assert record.node == a_node("3", uid="u2")


def test_the_end_of_an_earlier_node_of_that_name_is_none_of_ours() -> None:
    record = knowing(a_node("9", uid="u2"))

    record.hear(Deleted("u1"))
    assert record.node == a_node("9", uid="u2")
    assert not record.news.is_set()


def test_the_end_of_the_node_is_news() -> None:
    record = knowing(a_node("9"))

    record.hear(Deleted("u1"))

    assert record.node is None
    assert record.news.is_set()


def test_a_node_that_is_nowhere_is_gone_whichever_it_was() -> None:
    record = knowing(a_node("9"))
    record.hear(Deleted())
    assert record.node is None


def test_what_is_heard_of_a_node_that_is_not_registered_is_left_to_the_registration() -> None:
    record = NodeRecord()
    record.hear(a_node("1"))
    assert record.node is None
    assert not record.news.is_set()
