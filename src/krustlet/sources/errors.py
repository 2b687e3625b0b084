"""The errors of this room."""

from collections.abc import Sequence
from typing import Final

import msgspec

from krustlet.base import KrustletError

_LONG: Final = 400
_SHOWN: Final = 50  # one wrong line, repeated by aliases, may bring any number of complaints


class SourceError(KrustletError):
    """A source of pods cannot be read."""


class Complaint(msgspec.Struct, frozen=True):
    """One thing wrong with a manifest. Lines and columns count from 1; 0 is not known."""

    line: int
    column: int
    message: str
    hint: str = ""

    def placed(self, name: str) -> str:
        """The message after `name:line:column: `, as far as they are known."""
        place = f"{name}:{self.line}:{self.column}" if self.line else name
        return f"{place}: {_on_one_line(self.message)}"


def _on_one_line(message: str) -> str:
    """What a manifest holds is repeated in messages, and may be anything."""
    shown = message if len(message) <= _LONG else f"{message[:_LONG]}…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


class ManifestError(SourceError):
    """A manifest holds something else than sound pods; `complaints` says all that is wrong.

    One complaint is the message, with its hint; several are a line each, hints in parentheses.
    """

    reason = "FailedValidation"

    def __init__(self, name: str, complaints: Sequence[Complaint]) -> None:
        ordered = sorted(complaints, key=lambda complaint: (complaint.line, complaint.column))
        if len(ordered) == 1:
            message, hint = ordered[0].placed(name), ordered[0].hint
        else:
            message, hint = _listed(name, ordered), ""
        super().__init__(message, hint=hint)
        self.name = name
        self.complaints = tuple(ordered)


def _listed(name: str, complaints: Sequence[Complaint]) -> str:
    lines = [_with_hint(name, complaint) for complaint in complaints[:_SHOWN]]
    if (left := len(complaints) - len(lines)) > 0:
        lines.append(f"{name}: and {left} more")
    return "\n".join(lines)


def _with_hint(name: str, complaint: Complaint) -> str:
    hint = f" ({complaint.hint})" if complaint.hint else ""
    return complaint.placed(name) + hint
