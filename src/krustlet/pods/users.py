"""Whom the containers of a pod run as.

Owns `<root>/pods/<uid>/user`: the number that a pod has for itself, as a user and as a group of
this node, for as long as it is here. What a pod may wish for is decided by the pure functions
below; becoming that user is left to the runtime.

Source: kubernetes pkg/securitycontext/util.go, `DetermineEffectiveSecurityContext`;
pkg/kubelet/kuberuntime/security_context.go and security_context_others.go, `verifyRunAsNonRoot`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import KrustletError, write_atomically
from krustlet.objects import ContainerCommon, Pod, PodSecurityContext, SecurityContext
from krustlet.pods.naming import long_name
from krustlet.provider import Identity
from krustlet.settings import DEFAULT_POD_USERS

_NAME: Final = "user"
_ROOT: Final = 0

log = structlog.get_logger(__name__)


class UserRange(msgspec.Struct, frozen=True):
    """The numbers that a node gives to its pods; nobody else on it should have one of them."""

    base: int = DEFAULT_POD_USERS[0]
    size: int = DEFAULT_POD_USERS[1]

    def __contains__(self, number: int) -> bool:
        return self.base <= number < self.base + self.size


class UsersExhausted(KrustletError):
    """Every number of the range is some pod's."""

    reason = "FailedMount"
    retryable = True

    def __init__(self, numbers: UserRange) -> None:
        super().__init__(
            f"no user is left for the pod: all {numbers.size} from {numbers.base} on are taken",
            hint="delete pods that are over, or give the node a larger range",
        )


class UserRefused(KrustletError):
    """The pod asks to run as somebody that it may not, or must not, be here."""

    reason = "CreateContainerConfigError"


# numbers of their own ---------------------------------------------------------------------------


class Users:
    """Gives each pod of this node a number of its own."""

    def __init__(self, root: Path, numbers: UserRange) -> None:
        """Keep what it is given.

        Args:
            root: below it, `pods/<uid>` is the directory of a pod.
        """
        self._pods = root / "pods"
        self._numbers = numbers
        self._taken: dict[str, int] | None = None  # by the pod's uid; None until it is asked for

    def of(self, uid: str) -> int:
        """The pod's number, the smallest free one if it has none yet; written down by then.

        Args:
            uid: of a pod whose directory exists.

        Raises:
            UsersExhausted: none is free.
            OSError: it cannot be written down.
        """
        taken = self._read()
        if (number := taken.get(uid)) is not None:
            return number
        others = set(taken.values())
        free = range(self._numbers.base, self._numbers.base + self._numbers.size)
        number = next((number for number in free if number not in others), None)
        if number is None:
            raise UsersExhausted(self._numbers)
        write_atomically(self._pods / uid / _NAME, str(number).encode())
        taken[uid] = number
        return number

    def free(self, uid: str) -> None:
        """Nothing of the pod is left, its directory included."""
        if self._taken is not None:
            self._taken.pop(uid, None)

    def _read(self) -> dict[str, int]:
        if self._taken is None:
            self._taken = dict(_found_below(self._pods))
        return self._taken


def _found_below(pods: Path) -> Iterator[tuple[str, int]]:
    for path in pods.glob(f"*/{_NAME}"):
        try:
            yield path.parent.name, int(path.read_bytes())
        except (OSError, ValueError) as exc:
            log.warning("pod.user_unreadable", path=str(path), error=str(exc))


# whom it wants to be ----------------------------------------------------------------------------


class UserRules(msgspec.Struct, frozen=True, kw_only=True):
    """Whom containers may be on this node.

    Attributes:
        root: whether a container may be root if its pod says so.
        numbers: given to pods by the node, so that none may ask for another's.
    """

    root: bool = False
    numbers: UserRange = UserRange()


def check_non_root(pod: Pod, container: ContainerCommon) -> None:
    """Hold a pod to its own word that it is never root.

    Raises:
        UserRefused: it is.
    """
    if _says(pod, container, "run_as_non_root") and run_as_user(pod, container) == _ROOT:
        raise UserRefused(
            f'container\'s runAsUser breaks non-root policy (pod: "{long_name(pod)}", '
            f"container: {container.name})",
            hint="set runAsUser to another user, or leave it out to get one of the pod's own",
        )


def run_as_user(pod: Pod, container: ContainerCommon) -> int | None:
    """The user that is asked for; None if none is."""
    return _says(pod, container, "run_as_user")


def identity(pod: Pod, container: ContainerCommon, *, own: int, rules: UserRules) -> Identity:
    """Whom the container runs as.

    Args:
        own: the pod's number, for whatever it asks nobody else for.

    Raises:
        UserRefused: it must not be that user.
    """
    check_non_root(pod, container)
    user = run_as_user(pod, container)
    group = _says(pod, container, "run_as_group")
    whole = pod.spec.security_context or PodSecurityContext()
    if user == _ROOT and not rules.root:
        raise UserRefused(
            "runAsUser: 0 is root, which containers of this node may not be",
            hint="leave it out, or have the node started with --allow-root-containers",
        )
    further = [*([] if whole.fs_group is None else [whole.fs_group]), *whole.supplemental_groups]
    for field, number in (
        ("runAsUser", user),
        ("runAsGroup", group),
        *(("fsGroup and supplementalGroups", number) for number in further),
    ):
        _check(number, field, own=own, rules=rules)
    return Identity(
        uid=own if user is None else user,
        gid=own if group is None else group,
        groups=tuple(dict.fromkeys(further)),
    )


def owner(pod: Pod, *, own: int) -> Identity:
    """Whom the volumes belong to that are made for the pod.

    That is the user of all its containers, or the pod's own if they differ.
    """
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    users = {own if (u := run_as_user(pod, c)) is None else u for c in containers}
    groups = {own if (g := _says(pod, c, "run_as_group")) is None else g for c in containers}
    return Identity(
        uid=users.pop() if len(users) == 1 else own,
        gid=groups.pop() if len(groups) == 1 else own,
    )


def _says(pod: Pod, container: ContainerCommon, field: str) -> int | None:
    """What the container says, or where it is silent, the pod."""
    own = getattr(container.security_context or SecurityContext(), field)
    if own is not None:
        return int(own)
    whole = getattr(pod.spec.security_context or PodSecurityContext(), field)
    return None if whole is None else int(whole)


def _check(number: int | None, field: str, *, own: int, rules: UserRules) -> None:
    if number not in (None, own) and number in rules.numbers:
        raise UserRefused(
            f"{field}: {number} may be another pod's, as this node gives such numbers to its pods",
            hint=f"take one below {rules.numbers.base}",
        )
