"""Requests to have a certificate signed.

Source: kubernetes staging/src/k8s.io/api/certificates/v1/types.go.
"""

from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape

CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"


class SigningRequestCondition(Shape, frozen=True, kw_only=True):
    """`Approved`, `Denied` or `Failed`."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_update_time: str | None = None
    last_transition_time: str | None = None


class SigningRequestSpec(Shape, frozen=True, kw_only=True):
    """`request` is the PEM of a PKCS #10 request; the wire has it in base64."""

    request: bytes = b""
    signer_name: str = ""
    expiration_seconds: int | None = None
    usages: tuple[str, ...] = ()
    username: str = ""
    groups: tuple[str, ...] = ()


class SigningRequestStatus(Shape, frozen=True, kw_only=True):
    """`certificate` is PEM; empty until it is signed."""

    conditions: tuple[SigningRequestCondition, ...] = ()
    certificate: bytes = b""


class CertificateSigningRequest(Shape, frozen=True, kw_only=True, omit_defaults=False):
    """One request; its spec never changes."""

    api_version: str = "certificates.k8s.io/v1"
    kind: str = "CertificateSigningRequest"
    metadata: ObjectMeta = ObjectMeta()
    spec: SigningRequestSpec = SigningRequestSpec()
    status: SigningRequestStatus = SigningRequestStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    def condition(self, kind: str) -> SigningRequestCondition | None:
        """The condition of that type, if it holds."""
        found = (one for one in self.status.conditions if one.type == kind)
        return next((one for one in found if one.status in ("True", "")), None)


SIGNING_REQUESTS: Final = Resource(
    group="certificates.k8s.io",
    plural="certificatesigningrequests",
    kind="CertificateSigningRequest",
    type=CertificateSigningRequest,
    namespaced=False,
)
