"""Copy what a container prints to who is attached to it, as it was printed.

Nobody waits for him: what he has not read yet is kept for a while, then he is cut off, and log and
guest go on.
"""

import os
import selectors
from typing import Final

from krustlet.process.notes import note

_MOST_UNREAD_BYTES: Final = 4 * 1024 * 1024  # a page of output that comes at once, many times over


class Copy:
    """A pipe, or a socket whose other side says nothing, that a stream's output goes to as well."""

    def __init__(
        self, descriptor: int, selector: selectors.BaseSelector, *, container_id: str
    ) -> None:
        """Take over `descriptor`.

        Raises:
            OSError: it cannot be written to without waiting; it stays the caller's then.
        """
        os.set_blocking(descriptor, False)
        # Ready to read means that the other side is gone.
        selector.register(descriptor, selectors.EVENT_READ, self)
        self._descriptor = descriptor
        self._selector = selector
        self._id = container_id
        self._unread = bytearray()
        self._is_last = False
        self.is_open = True

    def add(self, chunk: bytes) -> None:
        """Pass `chunk` on, now or when there is room."""
        if not self.is_open:
            return
        was_waiting = bool(self._unread)
        self._unread += chunk
        if not was_waiting:
            self._pass_on()
        if len(self._unread) > _MOST_UNREAD_BYTES:
            note(f"who is attached to {self._id} does not read, and is cut off")
            self.close()

    def serve(self, events: int) -> None:
        """There is room for more, or nobody who could read it."""
        if not self.is_open:
            return  # closed since the selector saw it
        if events & selectors.EVENT_READ:
            self.close()
        else:
            self._pass_on()

    def end(self) -> None:
        """Nothing more comes; what is left may still be read."""
        self._is_last = True
        if self.is_open and not self._unread:
            self.close()

    def close(self) -> None:
        self.is_open = False
        self._unread = bytearray()
        self._selector.unregister(self._descriptor)
        os.close(self._descriptor)

    def _pass_on(self) -> None:
        try:
            while self._unread:
                del self._unread[: os.write(self._descriptor, self._unread)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()  # nobody is there
            return
        if self._is_last and not self._unread:
            self.close()
            return
        self._watch()

    def _watch(self) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unread else 0)
        if self._selector.get_key(self._descriptor).events != events:
            self._selector.modify(self._descriptor, events, self)
