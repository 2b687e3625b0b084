"""What one needs to know to speak to an API server.

Leaves the reading of files to `kubeconfig.py`, and who we are to `credentials.py`.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from krustlet.kube.credentials import ClientCertificate, Credentials
from krustlet.kube.errors import KubeConfigError


class KubeConfig(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One server, and who we are to it.

    Attributes:
        server: its URL, without a slash at the end.
        credentials: asked before each request.
        origin: the kubeconfig that says so; errors name it.
        ca: PEM, of whoever may vouch for the server; None: those whom this machine trusts.
        user_name: what the kubeconfig calls us, which need not be our name to the server.
        namespace: the one that the kubeconfig's context prefers; may be empty.
        insecure_skip_verify: do not ask who the server is.
        tls_server_name: the name that the server's certificate is for, if not that in `server`.
        proxy_url: to be reached through this; empty: directly.
    """

    server: str
    credentials: Credentials
    origin: Path
    ca: bytes | None = None
    user_name: str = ""
    namespace: str = ""
    insecure_skip_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""

    def __repr__(self) -> str:
        return f"KubeConfig({self.server}, {self.user_name!r}, from {self.origin})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("server", self.server), ("origin", self.origin)]

    def ssl_context(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        """A new one, with the files of `certificate` as they are now.

        Raises:
            KubeConfigError: the certificates, or the key, are none.
        """
        try:
            authority = self.ca.decode("ascii", errors="ignore") if self.ca else None
            context = ssl.create_default_context(cadata=authority)
        except ssl.SSLError as exc:
            raise KubeConfigError(
                f"{self.origin}: the certificate authority is no PEM certificate: {exc.reason}",
                hint="see certificate-authority or certificate-authority-data of the cluster",
            ) from exc
        # Authorities of clusters are made by many tools, not all with the extensions that Python
        # asks for since 3.13; nobody else among the clients does.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(["http/1.1"])
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            self._load(context, certificate)
        return context

    def _load(self, context: ssl.SSLContext, certificate: ClientCertificate) -> None:
        with _as_file(certificate.pem()) as path:
            try:
                # An empty password, as OpenSSL would ask for one on the terminal otherwise.
                context.load_cert_chain(path, password="")
            except ssl.SSLError as exc:
                raise KubeConfigError(
                    f"{self.origin}: the client certificate cannot be used with its key:"
                    f" {exc.reason or exc.strerror}",
                    hint="both have to be PEM and belong together; the key must not be encrypted",
                ) from exc


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path at which `content` can be read in here, and that nobody else ever sees."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("client", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            file.write(content)
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as named:  # mode 0600
        named.write(content)
        named.flush()
        yield named.name
