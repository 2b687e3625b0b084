"""Bootstrap tokens: what a machine shows that is to be a node, and has no certificate yet.

Owns their form and the Secret that makes one good. Leaves the file they travel in to
`bootstrap_file.py`.

Source: kubernetes staging/src/k8s.io/cluster-bootstrap/token/api/types.go.
"""

import re
import secrets
import string
from typing import Any, Final

import msgspec

from krustlet.base import Instant
from krustlet.objects import ObjectMeta, Secret, TimestampError, from_rfc3339, to_rfc3339

NAMESPACE: Final = "kube-system"
TOKEN_GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"  # noqa: S105 - a group
"""What kubeadm, and the script of the original Krustlet, put tokens of nodes into."""

BOOTSTRAPPERS: Final = "system:bootstrappers"
"""What all tokens are in."""

_USER_PREFIX: Final = "system:bootstrap:"
_SECRET_PREFIX: Final = "bootstrap-token-"  # noqa: S105 - no secret, but how its object is called
_TYPE: Final = "bootstrap.kubernetes.io/token"
_ALPHABET: Final = string.ascii_lowercase + string.digits
_ID_LENGTH: Final = 6
_SECRET_LENGTH: Final = 16
_FORM: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})", re.ASCII)


class BootstrapToken(msgspec.Struct, frozen=True):
    """A token; its `id` may be told, its `secret` is nobody's business."""

    id: str
    secret: str

    @classmethod
    def new(cls) -> "BootstrapToken":
        """One that nobody can guess."""
        return cls(_random(_ID_LENGTH), _random(_SECRET_LENGTH))

    @classmethod
    def parse(cls, text: str) -> "BootstrapToken | None":
        """The token that `text` is; None if it is another kind of token."""
        match = _FORM.fullmatch(text)
        return cls(match[1], match[2]) if match is not None else None

    @property
    def text(self) -> str:
        """All of it, as it is shown to the API server."""
        return f"{self.id}.{self.secret}"

    @property
    def object_name(self) -> str:
        """That of its Secret, in `NAMESPACE`."""
        return f"{_SECRET_PREFIX}{self.id}"

    def __repr__(self) -> str:
        return f"BootstrapToken({self.id!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("id", self.id)]


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def user_of(token_id: str) -> str:
    """What the API server calls whoever shows that token."""
    return f"{_USER_PREFIX}{token_id}"


def token_id_of(user: str) -> str:
    """The token of that user; empty where it is none's."""
    return user.removeprefix(_USER_PREFIX) if user.startswith(_USER_PREFIX) else ""


def secret_of(token: BootstrapToken, *, expires_at: Instant) -> Secret:
    """The object that makes `token` good until then."""
    values = {
        "description": "Made by krustlet bootstrap, for a node to join with.",
        "token-id": token.id,
        "token-secret": token.secret,
        "expiration": to_rfc3339(expires_at),
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": TOKEN_GROUP,
    }
    return Secret(
        metadata=ObjectMeta(name=token.object_name, namespace=NAMESPACE),
        type=_TYPE,
        data={key: value.encode() for key, value in values.items()},
    )


def good_until(secret: Secret, token: BootstrapToken, *, now: Instant) -> str | None:
    """When `token` ends, as `secret` says; empty for never, None if it is not good now."""
    said = {key: value.decode(errors="replace") for key, value in secret.data.items()}
    allowed = said.get("usage-bootstrap-authentication") == "true"
    if not allowed or said.get("token-secret") != token.secret:
        return None
    if not (expires := said.get("expiration", "")):
        return ""
    try:
        return expires if from_rfc3339(expires) > now else None
    except TimestampError:
        return None  # as the API server does: what it cannot read has expired
