"""What can become known about a pod. Facts may come late, or twice; `observe` copes."""

import msgspec

from krustlet.base import Instant
from krustlet.pods.state import Allotment, Rejection


class Fact(msgspec.Struct, frozen=True):
    """Something that has happened."""


class ContainerFact(Fact, frozen=True, kw_only=True):
    """Something that has happened to one attempt at running a container."""

    container: str
    attempt: int


class Creating(ContainerFact, frozen=True, kw_only=True):
    """An attempt begins, with these resources."""

    container_id: str
    allotment: Allotment | None = None


class Started(ContainerFact, frozen=True, kw_only=True):
    """Its process exists."""

    at: Instant


class ImageResolved(ContainerFact, frozen=True, kw_only=True):
    """The image is on this node and fit to run."""

    image_id: str


class CreateFailed(ContainerFact, frozen=True, kw_only=True):
    """The attempt came to nothing: no image, no configuration, no process."""

    reason: str
    message: str
    at: Instant


class CreateAbandoned(ContainerFact, frozen=True, kw_only=True):
    """The attempt was given up before it came to anything, and not because it failed."""


class BackedOff(ContainerFact, frozen=True, kw_only=True):
    """It was told that the container waits before its next attempt."""

    reason: str
    message: str


class Stopping(ContainerFact, frozen=True, kw_only=True):
    """The container was asked to end, and will be killed at `kill_at`.

    Attributes:
        returns: it is run again then, whatever its restart policy says.
    """

    kill_at: Instant
    returns: bool = False


class Resizing(ContainerFact, frozen=True, kw_only=True):
    """The runtime is being asked to let the container use this."""

    allotment: Allotment


class Resized(ContainerFact, frozen=True, kw_only=True):
    """The container may use this from now on."""

    allotment: Allotment


class ResizeFailed(ContainerFact, frozen=True, kw_only=True):
    """The container may use what it could before."""


class Exited(ContainerFact, frozen=True, kw_only=True):
    """Its process has ended."""

    code: int
    reason: str
    message: str
    at: Instant


class Mounting(Fact, frozen=True):
    """The volumes are being mounted."""


class Mounted(Fact, frozen=True):
    """All volumes are there."""


class MountFailed(Fact, frozen=True):
    """Not all volumes are there."""

    at: Instant


class Unmounting(Fact, frozen=True):
    """The volumes are being taken away."""


class Unmounted(Fact, frozen=True):
    """No volume is left."""


class UnmountFailed(Fact, frozen=True):
    """Some of the volumes are still there."""

    at: Instant


class DeletionAsked(Fact, frozen=True):
    """The pod is to go; its containers have until `by`."""

    by: Instant


class Rejected(Fact, frozen=True):
    """This node will not run the pod."""

    rejection: Rejection


class Finished(Fact, frozen=True):
    """Nothing of the pod is left on this node."""


class Resumed(Fact, frozen=True):
    """A new kubelet has taken over; what the old one had begun is in nobody's hands."""
