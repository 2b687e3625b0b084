"""What an administrator does while a node joins: tokens, rights, and a look at its requests."""

import base64
import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from tests.support.cluster import Cluster
from tests.support.kubeconfig import write_kubeconfig
from tests.support.until import until

CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
_REQUESTS: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_JOINING: Final = "system:bootstrappers"
_JOINED: Final = "system:nodes"
_GRANTS: Final = "system:certificates.k8s.io:certificatesigningrequests"
_LOOKS_EVERY_S: Final = 0.2
_numbers: Final = itertools.count(1)


class Asking(msgspec.Struct, frozen=True):
    """What a node asks to have signed.

    Attributes:
        subject: common name, then organisations.
        sans: names and addresses, sorted.
    """

    name: str
    signer: str
    usages: Sequence[str]
    user: str
    subject: Sequence[str]
    sans: Sequence[str]
    public_key: bytes
    conditions: Sequence[str]
    signed: bool


class Joining:
    """An administrator of `cluster`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    # rights -----------------------------------------------------------------------------------

    def let_tokens_ask(self) -> None:
        """Whoever has a bootstrap token may ask for a certificate."""
        self._grant("system:node-bootstrapper", _JOINING)

    def approve_clients_by_themselves(self) -> None:
        """The controller manager approves client certificates: the first and all that follow."""
        self._grant(f"{_GRANTS}:nodeclient", _JOINING)
        self._grant(f"{_GRANTS}:selfnodeclient", _JOINED)

    def _grant(self, role: str, group: str) -> None:
        name = f"{role}:{group}".replace(":", "-")
        self._must(
            "create", "clusterrolebinding", name, f"--clusterrole={role}", f"--group={group}"
        )

    # tokens -----------------------------------------------------------------------------------

    def token(self, *, lasts: timedelta = timedelta(hours=1)) -> str:
        """A new one that lets whoever has it ask; the controllers remove it when it is over."""
        number = next(_numbers)
        id_, secret = f"test{number:02d}", f"secret{number:010d}"
        ends = datetime.now(UTC) + lasts
        entries = {
            "token-id": id_,
            "token-secret": secret,
            "usage-bootstrap-authentication": "true",
            "expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        made = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"bootstrap-token-{id_}", "namespace": "kube-system"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": entries,
        }
        self._must("create", "-f", "-", stdin=json.dumps(made))
        return f"{id_}.{secret}"

    def bootstrap_file(
        self, path: Path, *, token: str = "", server: str = "", ca: Path | None = None
    ) -> Path:
        """With a new token, unless another one is given; of this cluster, unless said otherwise."""
        return write_kubeconfig(
            path,
            server=server or self.cluster.server,
            ca=ca or self.cluster.ca,
            user="tls-bootstrap-token-user",
            credentials=token or self.token(),
        )

    # requests ---------------------------------------------------------------------------------

    def requests(self, node: str, signer: str = "") -> list[Asking]:
        """Those about `node`, oldest first."""
        items = self.cluster.get(_REQUESTS)["items"]
        found = [_asking(item) for item in sorted(items, key=_made_at)]
        user = f"system:node:{node}"
        return [one for one in found if one.subject[0] == user and signer in ("", one.signer)]

    def until_asked(self, node: str, signer: str, *, times: int = 1) -> Asking:
        """The request that came last, once there have been so many."""
        return until(lambda: self.requests(node, signer)[times - 1 :])[-1]

    def approve(self, name: str) -> None:
        self._must("certificate", "approve", name)

    def deny(self, name: str, *, why: str) -> None:
        """As a controller may, which says why; kubectl cannot."""
        request = self.cluster.get(f"{_REQUESTS}/{name}")
        told = {"type": "Denied", "status": "True", "reason": "NotOurs", "message": why}
        request["status"] = {"conditions": [told]}
        self._must("replace", "--raw", f"{_REQUESTS}/{name}/approval", "-f", "-", stdin=request)

    def delete_request(self, name: str) -> None:
        self._must("delete", "csr", name)

    @contextmanager
    def approving(self, node: str, signer: str = SERVING_SIGNER) -> Iterator[None]:
        """Whatever `node` asks `signer` for is approved as it comes."""
        over = threading.Event()
        clerk = threading.Thread(target=self._approve_all, args=(node, signer, over), name="clerk")
        clerk.start()
        try:
            yield
        finally:
            over.set()
            clerk.join()

    def _approve_all(self, node: str, signer: str, over: threading.Event) -> None:
        while not over.wait(_LOOKS_EVERY_S):
            for one in self.requests(node, signer):
                if not one.conditions:
                    self.approve(one.name)

    def forget(self, node: str) -> None:
        """No request of `node` is left, and no Node."""
        names = [one.name for one in self.requests(node)]
        if names:
            self._must("delete", "csr", "--ignore-not-found", *names)
        self._must("delete", "node", node, "--ignore-not-found", "--wait=false")

    def _must(self, *arguments: str, stdin: Any = "") -> str:
        said = stdin if isinstance(stdin, str) else json.dumps(stdin)
        result = self.cluster.kubectl(*arguments, stdin=said)
        assert result.code == 0, result.stderr
        return result.stdout


def _asking(item: Any) -> Asking:
    request = x509.load_pem_x509_csr(base64.b64decode(item["spec"]["request"]))
    names = request.subject
    status = item.get("status", {})
    return Asking(
        name=item["metadata"]["name"],
        signer=item["spec"]["signerName"],
        usages=item["spec"]["usages"],
        user=item["spec"]["username"],
        subject=[
            str(one.value)
            for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
            for one in names.get_attributes_for_oid(kind)
        ],
        sans=sans_of(request),
        public_key=request.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        conditions=[one["type"] for one in status.get("conditions", [])],
        signed=bool(status.get("certificate")),
    )


def sans_of(named: x509.CertificateSigningRequest | x509.Certificate) -> list[str]:
    """Names, then addresses, each sorted."""
    try:
        extension = named.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    names = extension.value.get_values_for_type(x509.DNSName)
    ips = extension.value.get_values_for_type(x509.IPAddress)
    return [*sorted(names), *sorted(map(str, ips))]


def _made_at(item: Any) -> str:
    return str(item["metadata"]["creationTimestamp"])
