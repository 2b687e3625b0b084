"""Tell people, and programs that read our output, that a request waits to be approved.

Owns the two lines on stdout, which the original Krustlet wrote just so and tools look for. Leaves
the log to `signing.py`.
"""

from collections.abc import Callable


class Announcer:
    """Says that a certificate is waited for, and that it has come; one for each purpose."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Keep what it is given.

        Args:
            say: puts a line before whoever started the node.
        """
        self._say = say
        self._is_waiting = False

    def waits(self, name: str) -> None:
        """The request of that name needs somebody's approval."""
        self._is_waiting = True
        self._say(
            "BOOTSTRAP: TLS certificate requires manual approval. "
            f"Run kubectl certificate approve {name}"
        )

    def goes_on(self) -> None:
        """There is a certificate; nothing is said if nobody was asked for it."""
        if self._is_waiting:
            self._is_waiting = False
            self._say("BOOTSTRAP: received TLS certificate approval: continuing")
