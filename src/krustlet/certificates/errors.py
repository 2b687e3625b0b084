"""What can go wrong between a node and its certificates."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from krustlet.base import Instant, KrustletError
from krustlet.objects import to_rfc3339

if TYPE_CHECKING:  # an HTTP client, of no use to who only reads certificates
    from krustlet.kube import Forbidden

NEW_CREDENTIALS: Final = (
    "make a bootstrap file with `krustlet bootstrap` where you are an administrator, and start the "
    "node with --bootstrap-file"
)


class CertificatesError(KrustletError):
    """The node has no certificate that it could show, or cannot keep the one it has."""

    reason = "CertificateError"


# on disk ------------------------------------------------------------------------------------------


class CertificateUnreadable(CertificatesError):
    """The bytes are no PEM of what they should be."""

    def __init__(self, where: object, why: str) -> None:
        super().__init__(f"{where} {why}")
        self.why = why


class StoreUnreadable(CertificatesError):
    """A file of ours is there, but its content is not to be had."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be read: {why}",
            hint=f"make {path} readable for the user that runs the node",
        )
        self.path = path


class StoreUnwritable(CertificatesError):
    """A key or a certificate cannot be kept; what was there before still is."""

    retryable = True

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be written: {why}",
            hint=f"the node needs a place on disk and the right to write to {path.parent}",
        )
        self.path = path


class KeyExposed(CertificatesError):
    """Others than this node's user may know the key, so it proves nothing any more."""

    def __init__(self, path: Path, why: str, *, mend: str) -> None:
        super().__init__(
            f"the private key in {path} {why}",
            hint=f"run: {mend}; or, if somebody may have read it, remove the file, and the node "
            "asks for a new certificate",
        )
        self.path = path


# working on them ----------------------------------------------------------------------------------


class CraftFailed(CertificatesError):
    """The process that was to work on a key or a certificate has not done so."""

    retryable = True

    def __init__(self, how: str) -> None:
        super().__init__(
            f"the process that works on keys and certificates {how}",
            hint="is this machine short of memory or processes, or has krustlet been replaced "
            "since the node was started? Then start the node again",
        )


# what became of a request -------------------------------------------------------------------------


class RequestRefused(CertificatesError):
    """No certificate comes of this very request, however long one waits.

    Attributes:
        name: of the request.
        why: the reason and the message of whoever refused; either may be missing.
    """

    def __init__(self, name: str, what: str, *, reason: str, message: str) -> None:
        why = ": ".join(part for part in (reason, message) if part)
        super().__init__(
            f"the request {name} {what}" + (f": {why}" if why else ""),
            hint=f"to have the node ask again, run: kubectl delete csr {name}",
        )
        self.name = name
        self.why = why


class RequestDenied(RequestRefused):
    """Somebody has said no."""

    def __init__(self, name: str, *, reason: str, message: str) -> None:
        super().__init__(name, "was denied", reason=reason, message=message)


class RequestFailed(RequestRefused):
    """It was approved, but the signer cannot sign it."""

    def __init__(self, name: str, *, reason: str, message: str) -> None:
        super().__init__(name, "could not be signed", reason=reason, message=message)


class CertificateUnfit(RequestRefused):
    """What was signed is not what was asked for."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, "was answered with a certificate of no use", reason="", message=why)


class RequestForbidden(CertificatesError):
    """Who asks may not ask."""

    def __init__(self, refusal: "Forbidden", *, hint: str) -> None:
        super().__init__(f"the API server takes no request: {refusal.message}", hint=hint)


# joining ------------------------------------------------------------------------------------------


class KubeConfigUnwritable(CertificatesError):
    """The kubeconfig of the node cannot be written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the kubeconfig {path} cannot be written: {why}",
            hint="choose another place for it with --kubeconfig",
        )
        self.path = path


class CredentialsMissing(CertificatesError):
    """There is neither a kubeconfig nor anything to ask for credentials with."""

    reason = "InvalidKubeConfig"

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(
            f"there is no kubeconfig {kubeconfig}, and no bootstrap file to get one with",
            hint="make a bootstrap file with `krustlet bootstrap` where you are an administrator, "
            "and name it here with --bootstrap-file; or name a kubeconfig with --kubeconfig",
        )


class CredentialsUnusable(CertificatesError):
    """What the node would show to the API server is damaged, or gone."""

    def __init__(self, why: str) -> None:
        super().__init__(why, hint=NEW_CREDENTIALS)


class CredentialsExpired(CertificatesError):
    """What the node would show to the API server was good once."""

    def __init__(self, where: object, *, not_after: Instant, now: Instant) -> None:
        super().__init__(
            f"the client certificate in {where} expired at {to_rfc3339(not_after)}; the clock of "
            f"this machine shows {to_rfc3339(now)}",
            hint=NEW_CREDENTIALS,
        )


class AnotherNode(CertificatesError):
    """The credentials are those of a node of another name."""

    def __init__(self, where: object, *, found: str, wanted: str) -> None:
        super().__init__(
            f"the client certificate in {where} is for {found!r}, but this node would be "
            f"{wanted!r}",
            hint="set --node-name to the name in the certificate, or choose another --kubeconfig",
        )


class AnotherCluster(CertificatesError):
    """Kubeconfig and bootstrap file are of two clusters, and we did not write the kubeconfig."""

    def __init__(
        self, kubeconfig: Path, *, server: str, bootstrap_file: Path, bootstrap_server: str
    ) -> None:
        super().__init__(
            f"{kubeconfig} is for the cluster at {server}, but {bootstrap_file} is for another "
            f"one, at {bootstrap_server}",
            hint=f"to join the latter, move {kubeconfig} away or choose another --kubeconfig; to "
            "stay in the former, leave out --bootstrap-file",
        )


class BootstrapFileUnusable(CertificatesError):
    """It cannot be asked with."""

    def __init__(self, why: str, *, hint: str = "") -> None:
        super().__init__(why, hint=hint or "`krustlet bootstrap` makes a new one")


class BootstrapRefused(CertificatesError):
    """The API server knows nothing of whoever the bootstrap file says we are."""

    def __init__(self, file: Path, *, token_id: str, server: str, message: str) -> None:
        who = f"the token {token_id} of {file}" if token_id else f"the credentials of {file}"
        super().__init__(
            f"the API server {server} does not accept {who}: {message}",
            hint="tokens expire, after an hour mostly: make a new file with `krustlet bootstrap`",
        )


class ServerUntrusted(CertificatesError):
    """The API server is not the one that the bootstrap file means."""

    def __init__(self, file: Path, *, server: str, message: str) -> None:
        super().__init__(
            f"{server} is not the API server that {file} means: {message}",
            hint=f"see certificate-authority and server in {file}; `krustlet bootstrap` makes a "
            "new one",
        )
