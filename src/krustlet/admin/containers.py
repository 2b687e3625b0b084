"""End the containers of a node that does not run any more.

They are children of supervisors, which outlive the kubelet; one for each generation of it.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from krustlet.admin.errors import NotCleaned
from krustlet.process import Ended, Supervisor, SupervisorSettings, earlier

_ENDS_WITHIN_S: Final = 15.0
_A_MOMENT_S: Final = 2.0  # a container's end is told that much later than it was, at most


async def end_all(directory: Path, *, grace_s: float) -> int:
    """No supervisor runs that has its socket in `directory`, nor any of its containers.

    Args:
        directory: is there.
        grace_s: from SIGTERM to SIGKILL.

    Returns:
        How many containers ran.

    Raises:
        NotCleaned: a supervisor does not end.
        SupervisorUnavailable: one does not answer.
        OSError: the directory cannot be used.
    """
    ended = _Ended()
    # No supervisor is of a generation without a name: all that run are earlier ones.
    settings = SupervisorSettings(directory=directory, generation="", runners=())
    count = 0
    for supervisor in earlier(settings, on_event=ended.note, on_lost=lambda _: None).values():
        async with supervisor:
            count += await _end(supervisor, ended, grace_s)
    return count


async def _end(supervisor: Supervisor, ended: "_Ended", grace_s: float) -> int:
    running = {id_ for id_, known in supervisor.known.items() if known.end is None}
    for id_ in running:
        supervisor.stop(id_, grace_s=grace_s)
    with contextlib.suppress(TimeoutError):  # what has not ended by then is killed
        async with asyncio.timeout(grace_s + _A_MOMENT_S):
            await ended.all_of(running)
    try:
        await supervisor.quit(within_s=_ENDS_WITHIN_S)
    except TimeoutError as exc:
        raise NotCleaned(
            "the supervisor of the containers does not end",
            hint="see whether one hangs: ps -C krustlet-superv; kill it, and call this again",
        ) from exc
    return len(running)


class _Ended:
    """Hears of containers that have ended, of whichever supervisor."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._news = asyncio.Event()

    def note(self, event: object) -> None:
        if isinstance(event, Ended):
            self._ids.add(event.id)
            self._news.set()

    async def all_of(self, ids: set[str]) -> None:
        while not ids <= self._ids:
            self._news.clear()
            await self._news.wait()
