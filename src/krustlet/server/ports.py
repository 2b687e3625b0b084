"""What the server is given: what it sees of pods, and whom it asks who may do what."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from krustlet.objects import Pod, UserInfo
from krustlet.provider import Session

Check: TypeAlias = Callable[[], str]
"""Asks one part of the node for its health: what is wrong with it; empty if nothing is."""


class PodsView(Protocol):
    """The pods that this node is to run, or still runs; each with its newest status."""

    def all(self) -> Sequence[Pod]: ...

    def find(self, *, namespace: str, name: str) -> Pod | None: ...

    async def changed(self, uid: str) -> None:
        """Return when the pod's status is another, or the pod is gone; at once if it is unknown.

        Counts from the call on: nothing that happens once it was called is missed.
        """


class PodsControl(Protocol):
    """What people may do with the pods that a `PodsView` shows."""

    async def execute(
        self, pod: Pod, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Session:
        """Run one more instance in a running container's sandbox.

        Raises:
            KrustletError: nothing was run.
        """

    async def attach(self, pod: Pod, container: str, *, stdin: bool) -> Session:
        """The streams of a running container.

        Raises:
            KrustletError: it does not run.
        """

    def stop(self, uid: str, container: str | None, *, grace_s: float) -> None:
        """Ask a container to end, or all of the pod's; they are made to after `grace_s`."""

    async def remove(self, pod: Pod, *, grace_s: float) -> None:
        """Have whoever owns the pod delete it; it may take until `grace_s` are over.

        Raises:
            KrustletError: the owner will not, or cannot be asked.
        """


class Action(NamedTuple):
    """What somebody wants to do with a part of this node's API.

    Attributes:
        verb: Kubernetes' own; empty for methods that have none.
        subresource: of the node.
    """

    verb: str
    node: str
    subresource: str


class Reviewer(Protocol):
    """Knows whom tokens belong to, and who may do what."""

    async def review_token(self, token: str) -> UserInfo | None:
        """Whose token it is; None if nobody's.

        Raises:
            KrustletError: there is nobody to ask.
        """

    async def review_access(self, user: UserInfo, action: Action) -> bool:
        """Whether `user` may do it.

        Raises:
            KrustletError: there is nobody to ask.
        """
