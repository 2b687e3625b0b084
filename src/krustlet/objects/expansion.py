"""`$(NAME)` in the texts of a pod: its arguments, variables and subPathExprs. Pure."""

import re
from collections.abc import Callable, Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with each `$(NAME)` replaced by its value, once: values are not looked into.

    `$$` is a plain `$`, so `$$(NAME)` stays as `$(NAME)`. All else stays as it is: a name that is
    not among `variables`, a `$(` that is never closed, `$NAME` and `${NAME}`.

    Source: kubernetes third_party/forked/golang/expansion, and its tests.
    """
    return expand_with(text, lambda name: variables.get(name))


def expand_with(text: str, look_up: Callable[[str], str | None]) -> str:
    """Like `expand`, with a look-up that may refuse; what it answers None to stays as it is."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        found = look_up(name)
        return match[0] if found is None else found

    return _REFERENCE.sub(value, text)
