"""Where in an object something is."""

import re

import msgspec

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class FieldPath(msgspec.Struct, frozen=True):
    """Steps from an object's root: JSON names, map keys and list indices.

    Built with `/` and read like `spec.containers[0].name`; a map key that is no plain word comes
    in quotes, like `metadata.labels["example.com/tier"]`.
    """

    steps: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> "FieldPath":
        return FieldPath((*self.steps, step))

    def __str__(self) -> str:
        return "".join(map(_rendered, self.steps)).removeprefix(".")


def _rendered(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f'["{step}"]'
