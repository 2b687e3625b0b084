"""What the kubelet of a cluster's node is told about itself and its cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from krustlet.objects import Quantity, Taint, TaintEffect

ARCHITECTURE: Final = "wasm32-wasi"
"""What the label and the taints `kubernetes.io/arch` say: no other images run here."""

DEFAULT_TAINTS: Final = tuple(
    Taint(key="kubernetes.io/arch", value=ARCHITECTURE, effect=effect.value)
    for effect in (TaintEffect.NO_SCHEDULE, TaintEffect.NO_EXECUTE)
)
DEFAULT_PORT: Final = 10250
DEFAULT_MAX_PODS: Final = 110
DEFAULT_EVICTION_HARD: Final[Mapping[str, str]] = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}
"""Source: kubernetes pkg/kubelet/eviction/defaults_linux.go."""


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a cluster.

    Attributes:
        kubeconfig: how to reach the API server, and as whom; a bootstrap writes it.
        bootstrap_file: a kubeconfig with a token, to ask for credentials with where `kubeconfig`
            is missing, or of no use any more; None: there is none to fall back on.
        node_ips: where pods and the node's API are reached; one, or one of each family. Empty:
            found out when the API server is known.
        address: what the node's API listens on.
        taints: of the Node, once it is created; later only an administrator can change them.
        client_ca_file: who signs for those that talk to the node's API; None for the authority of
            the API server itself.
        certificate: certificate and key of the node's API; None for one that the cluster signs,
            and self-signed ones until it has.
        rotate_certificates: whether the client certificate is renewed in time.
        server_tls_bootstrap: whether the cluster is asked to sign the serving certificate.
        system_reserved, kube_reserved: kept from pods, by resource.
        eviction_hard: what is kept free on top, by signal: an amount, or a share as `10%`.
        status_every_s: how often the node's status is looked at, and told if it has changed.
        report_every_s: how often it is told if it has not.
        lease_duration_s: after so much silence the node counts as lost.
        status_max_images: how many images the status lists; -1 for all.
        api_qps, api_burst: how often the API server is asked; leases are beyond that.
        event_qps, event_burst: how often it is told of events.
    """

    kubeconfig: Path
    bootstrap_file: Path | None = None
    node_name: str
    hostname: str
    node_ips: tuple[str, ...] = ()
    address: str = "0.0.0.0"  # noqa: S104 - the API server must reach it; nothing is open to all
    port: int = DEFAULT_PORT
    max_pods: int = DEFAULT_MAX_PODS
    labels: Mapping[str, str] = {}
    taints: tuple[Taint, ...] = DEFAULT_TAINTS
    provider_id: str = ""
    client_ca_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    rotate_certificates: bool = True
    server_tls_bootstrap: bool = True
    system_reserved: Mapping[str, Quantity] = {}
    kube_reserved: Mapping[str, Quantity] = {}
    eviction_hard: Mapping[str, str] = msgspec.field(default_factory=lambda: DEFAULT_EVICTION_HARD)
    status_every_s: float = 10.0
    report_every_s: float = 300.0
    lease_duration_s: int = 40
    status_max_images: int = 50
    api_qps: float = 500.0
    api_burst: int = 1000
    event_qps: float = 50.0
    event_burst: int = 100
