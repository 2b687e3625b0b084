"""What can be done about a pod. `plan` names them, the worker carries them out."""

import msgspec

from krustlet.base import Instant
from krustlet.pods.state import Allotment


class Effect(msgspec.Struct, frozen=True):
    """Something to do now."""


class Mount(Effect, frozen=True):
    """Make the pod's volumes."""


class Unmount(Effect, frozen=True):
    """Take the pod's volumes away."""


class Start(Effect, frozen=True):
    """Get the image, then run the container."""

    container: str
    attempt: int


class Abandon(Effect, frozen=True):
    """Give up an attempt, unless its process is on its way already."""

    container: str
    attempt: int


class Stop(Effect, frozen=True):
    """Ask the container to end, so that it is killed at `kill_at`.

    Attributes:
        returns: only to be run again, with other resources.
    """

    container: str
    attempt: int
    kill_at: Instant
    returns: bool = False


class Resize(Effect, frozen=True):
    """Let the running container use more, or less."""

    container: str
    attempt: int
    allotment: Allotment


class BackOff(Effect, frozen=True):
    """Tell that the container waits before its next attempt."""

    container: str
    attempt: int
    wait_s: float


class Finish(Effect, frozen=True):
    """Nothing is left to do or to keep."""


class WakeAt(Effect, frozen=True):
    """Ask again at `at`: something is due then."""

    at: Instant
