"""The one root of every error that Krustlet raises on purpose."""

from typing import ClassVar


class KrustletError(Exception):
    """Something foreseen went wrong, and a person can be told what and what to do.

    Callers branch on the type, never on the text.

    Attributes:
        reason: one CamelCase word for the API: an event's or a waiting container's reason.
        retryable: whether the same call may succeed later without anybody changing anything.
        hint: what the reader can do about it; empty where there is nothing to say.
    """

    reason: ClassVar[str] = "Error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """The sentence without the hint."""
        return str(self)
