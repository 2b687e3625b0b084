"""A node that has nothing but a bootstrap token, and what is to be seen of its credentials."""

import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from tests.support.joining import CLIENT_SIGNER, SERVING_SIGNER, Asking, Joining
from tests.support.joining_machine import Machine
from tests.support.krustlet_node import KrustletNode, Launch, krustlet_node_to_be
from tests.support.until import until

_LOOPBACK: Final = "127.0.0.1"
_LOCAL: Final = "--allow-local-modules"
_NO_MORE: Final[Mapping[str, str]] = {}


@contextlib.contextmanager
def candidate(
    joining: Joining,
    directory: Path,
    name: str,
    *flags: str | Path,
    bootstrap_file: Path | None = None,
    environment: Mapping[str, str] = _NO_MORE,
    machine: Machine | None = None,
) -> Iterator[KrustletNode]:
    """A node that has yet to be started; afterwards nothing is left of it.

    Args:
        directory: its own; need not exist.
        name: of the node and of the machine.
        bootstrap_file: one with a new token, if none is given.
        machine: where it runs; here, if none is given.
    """
    directory.mkdir(parents=True)
    token = bootstrap_file or joining.bootstrap_file(directory / "bootstrap.conf")
    enter = machine.enter if machine is not None else ()
    launch = Launch(
        machine=(*enter, "sh", "-c", 'exec "$@" >>"$0"', directory / "stdout"),
        credentials=("--bootstrap-file", token, "--hostname", name),
        environment=environment,
    )
    try:
        with krustlet_node_to_be(
            joining.cluster, directory / "node", name, _LOCAL, *flags, launch=launch
        ) as node:
            yield node
    finally:
        joining.forget(name)


def stdout_of(node: KrustletNode) -> list[str]:
    """What it has said to whoever started it; its log is not in it."""
    return (node.data.parent.parent / "stdout").read_text().splitlines()


def log_of(node: KrustletNode, event: str = "") -> list[dict[str, Any]]:
    """The entries of its log, those of `event` if one is named."""
    lines = [line for line in node.said().splitlines() if line.startswith("{")]
    return [entry for entry in map(json.loads, lines) if event in ("", entry["event"])]


def kubeconfig_of(node: KrustletNode) -> Path:
    """Where it writes it."""
    return node.data / "config" / "kubeconfig"


def client_certificate_of(node: KrustletNode) -> Path:
    return node.data / "pki" / "kubelet-client-current.pem"


def serving_certificate_of(node: KrustletNode) -> Path:
    return node.data / "pki" / "kubelet-server-current.pem"


def shown_by(node: KrustletNode, *, host: str = _LOOPBACK) -> x509.Certificate:
    """What the node's API at one of its addresses shows to whoever asks."""
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate((host, node.port), timeout=10).encode()
    )


def is_signed(node: KrustletNode, *, host: str = _LOOPBACK) -> bool:
    """Whether the node's API shows a certificate that another has signed."""
    shown = shown_by(node, host=host)
    return shown.issuer != shown.subject


def approved(joining: Joining, node: KrustletNode, signer: str, *, times: int = 1) -> Asking:
    """The request that came last, once there were so many; approved now."""
    asked = joining.until_asked(node.name, signer, times=times)
    joining.approve(asked.name)
    return asked


def until_ready(joining: Joining, node: KrustletNode) -> None:
    """It is started, asks, is let in, and is ready."""
    node.start_only()
    approved(joining, node, CLIENT_SIGNER)
    until(node.is_ready)


def until_joined(joining: Joining, node: KrustletNode) -> None:
    """It is ready, and both of its certificates are signed by the cluster."""
    until_ready(joining, node)
    approved(joining, node, SERVING_SIGNER)
    until(lambda: is_signed(node))
