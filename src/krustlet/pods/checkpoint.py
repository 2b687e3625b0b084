"""Keep the pods' states on disk, so that the next kubelet goes on where this one stopped.

Owns `<root>/pods/<uid>/state`. Holds facts about runs, never what a container is given.

The file is a journal: a state a line, the last of which counts. A new file under another name that
is then renamed would do as well, but costs ten times as much, and a pod changes often.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import KrustletError, make_private_directory, write_atomically
from krustlet.pods.state import PodState

_NAME: Final = "state"
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_LONGEST_BYTES: Final = 64 * 1024  # a hundred states; then only the last is kept

log = structlog.get_logger(__name__)


class BadPodUID(KrustletError):
    """A uid that cannot name a directory of its own."""

    reason = "FailedValidation"

    def __init__(self, uid: str) -> None:
        super().__init__(f"{uid!r} is no pod uid", hint="a uid is one word, such as a UUID")


class Checkpoints:
    """One file a pod. Survives a killed kubelet; a power cut may cost it, as nothing is synced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pods = root / "pods"
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(PodState).decode

    def save(self, state: PodState) -> None:
        """Write the state down, before the effects it announces.

        Raises:
            OSError: it could not be written; what was there before still is.
        """
        path = self._directory(state.uid) / _NAME
        line = self._encode(state) + b"\n"
        try:
            journal = os.open(path, _APPEND)
        except FileNotFoundError:
            make_private_directory(path.parent)
            journal = os.open(path, _APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(journal).st_size
            if size + len(line) <= _LONGEST_BYTES or not size:
                _append(journal, line, at=size)
                return
        finally:
            os.close(journal)
        write_atomically(path, line)

    def load(self, uid: str) -> PodState | None:
        """What was written of this pod; None if nothing was, or nothing readable.

        Raises:
            BadPodUID: no pod has such a uid.
        """
        path = self._directory(uid) / _NAME
        try:
            *lines, torn = path.read_bytes().split(b"\n")
            if torn:  # by a power cut, and the next line must not be added to it
                os.truncate(path, path.stat().st_size - len(torn))
            return self._decode(lines[-1]) if lines else None
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as exc:
            log.warning("checkpoint.unreadable", path=str(path), error=str(exc))
            return None

    def uids(self) -> Iterator[str]:
        """The pods that something was written of."""
        for state in self._pods.glob(f"*/{_NAME}"):
            yield state.parent.name

    def remove(self, uid: str) -> None:
        """Drop the pod's whole directory; whatever else lay in it is gone already.

        Raises:
            OSError: something in it stays.
        """
        with suppress(FileNotFoundError):
            shutil.rmtree(self._directory(uid))

    def _directory(self, uid: str) -> Path:
        """Where the pod's things lie: right below `pods`, whatever the uid looks like."""
        if uid in ("", ".", "..") or "/" in uid or "\0" in uid:
            raise BadPodUID(uid)
        return self._pods / uid


def _append(journal: int, line: bytes, *, at: int) -> None:
    """All of the line, or nothing of it."""
    try:
        written = os.write(journal, line)
    except OSError:
        os.ftruncate(journal, at)
        raise
    if written < len(line):
        os.ftruncate(journal, at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
