"""What can keep an administrator from his work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from krustlet.base import KrustletError
from krustlet.kube import Forbidden, Unauthorized

_WHOM_TO_ASK_AS: Final = (
    "name an administrator's kubeconfig with --kubeconfig or KUBECONFIG, or another of its "
    "contexts with --context"
)


class AdminError(KrustletError):
    """Something that an administrator wanted done was not."""


class RightsMissing(AdminError):
    """Whoever asks may not do this."""


class FileInTheWay(AdminError):
    """There is a file where the bootstrap file was to be, and it is worth something."""


class FileUnwritable(AdminError):
    """The bootstrap file cannot be kept."""


class NotJoined(AdminError):
    """The node has not joined in the time that it was given."""


class PodsInTheWay(AdminError):
    """There are pods that only force takes away."""


class NotDrained(AdminError):
    """Pods are left on the node."""


class NodeStillRuns(AdminError):
    """A kubelet still uses the directory that was to be cleaned."""


class NotOurs(AdminError):
    """The directory is none of a krustlet's, or another node's."""


class NotCleaned(AdminError):
    """Something of the directory could not be removed."""


@contextmanager
def may(what: str) -> Iterator[None]:
    """The block asks the API server to let us do `what`; who may not is told in these words.

    Args:
        what: as it follows "may not": `make a Secret in kube-system`.

    Raises:
        RightsMissing: we may not.
    """
    try:
        yield
    except Forbidden as exc:
        raise RightsMissing(
            f"this user may not {what}: {exc.message}", hint=_WHOM_TO_ASK_AS
        ) from exc
    except Unauthorized as exc:
        raise RightsMissing(
            f"the API server does not know this user: {exc.message}", hint=_WHOM_TO_ASK_AS
        ) from exc
