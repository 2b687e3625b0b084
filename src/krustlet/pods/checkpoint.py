"""Keep the pods' states on disk, so that the next kubelet goes on where this one stopped.

Owns `<root>/pods/<uid>/state`. Holds facts about runs, never what a container is given.
"""

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

log = structlog.get_logger(__name__)


class BadPodUID(KrustletError):
    """A uid that cannot name a directory of its own."""

    reason = "FailedValidation"

    def __init__(self, uid: str) -> None:
        super().__init__(f"{uid!r} is no pod uid", hint="a uid is one word, such as a UUID")


class Checkpoints:
    """One file a pod. Survives a killed kubelet; a power cut may cost it, as nothing is synced."""

    def __init__(self, root: Path) -> None:
        self._pods = root / "pods"
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(PodState).decode

    def save(self, state: PodState) -> None:
        """Write the state down, before the effects it announces.

        Raises:
            OSError: it could not be written; what was there before still is.
        """
        directory = self._directory(state.uid)
        try:
            write_atomically(directory / _NAME, self._encode(state))
        except FileNotFoundError:
            make_private_directory(directory)
            write_atomically(directory / _NAME, self._encode(state))

    def load(self, uid: str) -> PodState | None:
        """What was written of this pod; None if nothing was, or nothing readable.

        Raises:
            BadPodUID: no pod has such a uid.
        """
        path = self._directory(uid) / _NAME
        try:
            return self._decode(path.read_bytes())
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
