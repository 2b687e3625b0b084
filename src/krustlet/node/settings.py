"""What a node is told about itself: its name, its labels and taints, and how often it reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from krustlet import KUBERNETES_VERSION, __version__
from krustlet.objects import Quantity, Taint
from krustlet.settings import DEFAULT_MAX_PODS, DEFAULT_PORT, DEFAULT_TAINTS

_RENEWALS: Final = 4  # of a lease within its duration, as the kubelet has it


def kubelet_version() -> str:
    """Read as that of a Kubernetes release: clients compare it with what they need."""
    return f"v{KUBERNETES_VERSION}+krustlet.{__version__}"


def container_runtime_version() -> str:
    """`wasmtime://<version>`, without loading the engine."""
    from importlib.metadata import version  # here, as whoever only reads settings needs it not

    return f"wasmtime://{version('wasmtime')}"


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One node.

    Attributes:
        ips: one, or one of each family; the first is the preferred one.
        port: where the API server finds the kubelet.
        data_dir: exists; pods' local storage is as large as its file system.
        labels: beside those that each node has; where they name the same, these win.
        taints: given when the node is first registered. A node may not change its own later.
        reserved: what is kept from pods, by resource; the thresholds of eviction come on top.
        status_every_s: how often the status is computed, and reported if anything has changed.
        report_every_s: how often it is reported if nothing has.
        pressure_hold_s: how long a pressure is still told of after it was last seen.
        lease_duration_s: after so much silence the node counts as lost.
    """

    name: str
    ips: tuple[str, ...]
    hostname: str
    data_dir: Path
    port: int = DEFAULT_PORT
    max_pods: int = DEFAULT_MAX_PODS
    labels: Mapping[str, str] = {}
    taints: tuple[Taint, ...] = DEFAULT_TAINTS
    provider_id: str = ""
    reserved: Mapping[str, Quantity] = {}
    kubelet_version: str = msgspec.field(default_factory=kubelet_version)
    container_runtime_version: str = msgspec.field(default_factory=container_runtime_version)
    status_every_s: float = 10.0
    report_every_s: float = 300.0
    pressure_hold_s: float = 300.0
    lease_duration_s: int = 40

    @property
    def renew_every_s(self) -> float:
        return self.lease_duration_s / _RENEWALS
