"""Keep the pods' states on disk, so that the next kubelet goes on where this one stopped.

Owns `<root>/pods/<uid>/state`. Holds facts about runs, never what a container is given.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

from krustlet.base import make_private_directory, write_atomically
from krustlet.pods.state import PodState

_NAME = "state"

log = structlog.get_logger(__name__)


class Checkpoints:
    """One file a pod. Survives a killed kubelet; a reboot voids it all the same."""

    def __init__(self, root: Path) -> None:
        self._pods = root / "pods"
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(PodState).decode

    def save(self, state: PodState) -> None:
        """Write the state down, before the effects it announces.

        Raises:
            OSError: it could not be written; what was there before still is.
        """
        directory = self._pods / state.uid
        try:
            write_atomically(directory / _NAME, self._encode(state))
        except FileNotFoundError:
            make_private_directory(directory)
            write_atomically(directory / _NAME, self._encode(state))

    def load(self, uid: str) -> PodState | None:
        """What was written of this pod; None if nothing was, or nothing readable."""
        path = self._pods / uid / _NAME
        try:
            return self._decode(path.read_bytes())
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as exc:
            log.warning("checkpoint.unreadable", path=str(path), error=str(exc))
            return None

    def uids(self) -> Iterator[str]:
        """The pods that something was written of."""
        for state in self._pods.glob(f"*/{_NAME}"):
            yield state.parent.name

    def remove(self, uid: str) -> None:
        """Drop the pod's whole directory; whatever else lay in it is gone already."""
        shutil.rmtree(self._pods / uid, ignore_errors=True)
