"""What pods refer to by name, and how it is asked for.

Owns the errors of asking. Leaves the answers to whoever has a cluster; `NoCluster` has none.
"""

from collections.abc import Sequence
from typing import Final, NoReturn, Protocol

import msgspec

from krustlet.base import Instant
from krustlet.objects.configuration import ConfigMap, Secret
from krustlet.objects.errors import ObjectError
from krustlet.objects.pod import Pod


class LookupFailed(ObjectError):
    """What a pod refers to cannot be had now; nothing is known of it."""

    retryable = True


class ObjectMissing(LookupFailed):
    """There is no such object; somebody may make it at any moment.

    Attributes:
        kind: in lower case, as the kubelet writes it: `configmap`, `secret`.
    """

    def __init__(self, kind: str, *, namespace: str, name: str) -> None:
        super().__init__(
            f'{kind} "{name}" not found', hint=f"make it in namespace {namespace}: it is waited for"
        )
        self.kind, self.namespace, self.name = kind, namespace, name


class ClusterNeeded(LookupFailed):
    """There is no cluster that could be asked."""

    retryable = False

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: there is no cluster to ask", hint=WITHOUT_CLUSTER)


WITHOUT_CLUSTER: Final = "write the values into the manifest: env: [{name: …, value: …}]"
"""What to do where there is none."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """With which a pod shows who it is; its repr keeps quiet about the text.

    Attributes:
        issued_at: as `expires_at`, by the API server's clock.
    """

    text: str
    issued_at: Instant
    expires_at: Instant

    def __repr__(self) -> str:
        return f"Token(issued_at={self.issued_at}, expires_at={self.expires_at})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("issued_at", self.issued_at), ("expires_at", self.expires_at)]


class Lookups(Protocol):
    """Answers with what is true when it is asked or later, never with what was true before."""

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        """The ConfigMap of that name.

        Raises:
            ObjectMissing: there is none.
            LookupFailed: it cannot be had.
        """

    async def secret(self, namespace: str, name: str) -> Secret:
        """The Secret of that name.

        Raises:
            ObjectMissing: there is none.
            LookupFailed: it cannot be had.
        """

    async def service_account_token(
        self, pod: Pod, *, audiences: Sequence[str], expiration_s: int | None
    ) -> Token:
        """A new token of the pod's service account, worth nothing once the pod is gone.

        Args:
            audiences: whom it is for; the API server itself where it is empty.
            expiration_s: how long it is wanted to last; the API server has the last word.

        Raises:
            LookupFailed: it cannot be had.
        """


class NoCluster:
    """Look-ups of a kubelet that is on its own."""

    async def config_map(self, namespace: str, name: str) -> NoReturn:
        raise ClusterNeeded(f'configmap "{name}"')

    async def secret(self, namespace: str, name: str) -> NoReturn:
        raise ClusterNeeded(f'secret "{name}"')

    async def service_account_token(
        self, pod: Pod, *, audiences: Sequence[str], expiration_s: int | None
    ) -> NoReturn:
        raise ClusterNeeded("a service account's token")
