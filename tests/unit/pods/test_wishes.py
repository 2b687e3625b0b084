"""What a pod says in this project's own annotations."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from krustlet.objects import Pod
from krustlet.pods.wishes import (
    NETWORK,
    ON_TERMINATE,
    AnnotationInvalid,
    has_network,
    waits_for_word,
)
from tests.support.pods import a_pod


def annotated(**annotations: str) -> Pod:
    named = {f"krustlet.dev/{name.replace('_', '-')}": text for name, text in annotations.items()}
    pod = a_pod()
    return replace(pod, metadata=replace(pod.metadata, annotations=named))


def test_the_nodes_network_is_there_unless_it_is_not_wanted() -> None:
    assert has_network(a_pod())
    assert has_network(annotated(network="host"))
    assert not has_network(annotated(network="none"))


def test_a_signal_ends_a_container_unless_it_waits_for_a_word() -> None:
    assert not waits_for_word(a_pod())
    assert not waits_for_word(annotated(on_terminate="signal"))
    assert waits_for_word(annotated(on_terminate="wait"))


@pytest.mark.parametrize(
    ("read", "name", "word"),
    [
        pytest.param(has_network, NETWORK, "bridge", id="network"),
        pytest.param(has_network, NETWORK, "", id="an-empty-word"),
        pytest.param(waits_for_word, ON_TERMINATE, "Wait", id="on-terminate"),
    ],
)
def test_another_word_is_an_error_and_no_guess(
    read: Callable[[Pod], bool], name: str, word: str
) -> None:
    pod = annotated(**{name.removeprefix("krustlet.dev/").replace("-", "_"): word})
    with pytest.raises(AnnotationInvalid) as raised:
        read(pod)
    assert raised.value.message.startswith(f"annotation {name}: {word!r} is none of ")
    assert raised.value.reason == "CreateContainerConfigError"
