"""What the kubelet of a cluster's node is told about itself and its cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from krustlet.objects import Taint, TaintEffect

ARCHITECTURE: Final = "wasm32-wasi"
"""What the label and the taints `kubernetes.io/arch` say: no other images run here."""

DEFAULT_TAINTS: Final = tuple(
    Taint(key="kubernetes.io/arch", value=ARCHITECTURE, effect=effect.value)
    for effect in (TaintEffect.NO_SCHEDULE, TaintEffect.NO_EXECUTE)
)
DEFAULT_PORT: Final = 10250
DEFAULT_MAX_PODS: Final = 110


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a cluster.

    Attributes:
        kubeconfig: how to reach the API server, and as whom.
        node_ips: where pods and the node's API are reached; one, or one of each family. Empty:
            found out when the API server is known.
        address: what the node's API listens on.
        taints: of the Node, once it is created; later only an administrator can change them.
        client_ca_file: who signs for those that talk to the node's API; None for the authority of
            the API server itself.
        certificate: certificate and key of the node's API; None for self-signed ones.
        api_qps, api_burst: how often the API server is asked; leases are beyond that.
        event_qps, event_burst: how often it is told of events.
    """

    kubeconfig: Path
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
    api_qps: float = 500.0
    api_burst: int = 1000
    event_qps: float = 50.0
    event_burst: int = 100
