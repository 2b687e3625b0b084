"""What a node is told about itself: its name, its labels and taints, and how often it reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet import KUBERNETES_VERSION, __version__
from krustlet.node.labels import check_labels
from krustlet.node.reserves import Thresholds, default_thresholds, reserved, thresholds
from krustlet.objects import Quantity, Taint
from krustlet.settings import DEFAULT_MAX_PODS, DEFAULT_PORT, DEFAULT_TAINTS, ClusterSettings

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
        ips: one, or one of each family; the first is the preferred one. They may change later.
        port: where the API server finds the kubelet.
        data_dir: exists; pods' local storage is as large as its file system.
        labels: beside those that each node has; where they name the same, these win.
        taints: given when the node is first registered. A node may not change its own later.
        reserved: what is kept from pods, by resource.
        thresholds: what is always to be left on top, by signal.
        images_max: how many images are told of; -1 for all.
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
    thresholds: Thresholds = msgspec.field(default_factory=default_thresholds)
    images_max: int = 50
    kubelet_version: str = msgspec.field(default_factory=kubelet_version)
    container_runtime_version: str = msgspec.field(default_factory=container_runtime_version)
    status_every_s: float = 10.0
    report_every_s: float = 300.0
    pressure_hold_s: float = 300.0
    lease_duration_s: int = 40

    @property
    def renew_every_s(self) -> float:
        return self.lease_duration_s / _RENEWALS


def node_settings(cluster: ClusterSettings, *, ips: Sequence[str], data_dir: Path) -> NodeSettings:
    """Those of the node that `cluster` describes.

    Args:
        cluster: its `node_ips` are what was asked for, and not looked at.
        ips: where it is reached now.
        data_dir: see `NodeSettings`.

    Raises:
        LabelsRefused: some labels are not for a node to give.
        ReservesInvalid: what is to be kept from pods makes no sense.
    """
    check_labels(cluster.labels)
    return NodeSettings(
        name=cluster.node_name,
        ips=tuple(ips),
        hostname=cluster.hostname,
        data_dir=data_dir,
        port=cluster.port,
        max_pods=cluster.max_pods,
        labels=cluster.labels,
        taints=cluster.taints,
        provider_id=cluster.provider_id,
        reserved=reserved(cluster.system_reserved, cluster.kube_reserved),
        thresholds=thresholds(cluster.eviction_hard),
        images_max=cluster.status_max_images,
        status_every_s=cluster.status_every_s,
        report_every_s=cluster.report_every_s,
        lease_duration_s=cluster.lease_duration_s,
    )
