"""What a pod says in this project's own annotations. Pure."""

from collections.abc import Collection
from typing import Final

from krustlet.base import KrustletError, did_you_mean
from krustlet.objects import Pod

NETWORK: Final = "krustlet.dev/network"
ON_TERMINATE: Final = "krustlet.dev/on-terminate"

_NONE: Final = "none"
_HOST: Final = "host"
_SIGNAL: Final = "signal"
_WAIT: Final = "wait"


class AnnotationInvalid(KrustletError):
    """An annotation of this project's says what it cannot mean."""

    reason = "CreateContainerConfigError"


def has_network(pod: Pod) -> bool:
    """Whether its containers may open sockets: those of the node's network, for now.

    Raises:
        AnnotationInvalid: the annotation is none of the words it may be.
    """
    return _word(pod, NETWORK, (_HOST, _NONE)) == _HOST


def waits_for_word(pod: Pod) -> bool:
    """Whether a file tells its containers to end, in place of a signal.

    Raises:
        AnnotationInvalid: the annotation is none of the words it may be.
    """
    return _word(pod, ON_TERMINATE, (_SIGNAL, _WAIT)) == _WAIT


def _word(pod: Pod, annotation: str, words: Collection[str]) -> str:
    """What the annotation says; the first of the words where there is none."""
    word = pod.metadata.annotations.get(annotation)
    if word is None:
        return next(iter(words))
    if word not in words:
        raise AnnotationInvalid(
            f"annotation {annotation}: {word!r} is none of {', '.join(words)}",
            hint=did_you_mean(word, tuple(words)) or "correct it, or leave it out",
        )
    return word
