"""The node: what the cluster wants of a machine, and what the machine tells of itself."""

from collections.abc import Mapping
from typing import Final

import msgspec

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.quantity import Quantity
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Opaque, Shape


class Taint(Shape, frozen=True, kw_only=True):
    """Keeps pods that do not tolerate it away from a node."""

    key: str
    value: str = ""
    effect: str
    time_added: str | None = None


class NodeSpec(Shape, frozen=True, kw_only=True):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = msgspec.field(default=(), name="podCIDRs")
    provider_id: str = msgspec.field(default="", name="providerID")
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeCondition(Shape, frozen=True, kw_only=True):
    """`last_heartbeat_time` is when it was last looked at, and says nothing about the node."""

    type: str
    status: str
    last_heartbeat_time: str | None = None
    last_transition_time: str | None = None
    reason: str = ""
    message: str = ""


class NodeAddress(Shape, frozen=True, kw_only=True):
    type: str
    address: str


class DaemonEndpoint(Shape, frozen=True, kw_only=True):
    port: int = msgspec.field(name="Port")


class NodeDaemonEndpoints(Shape, frozen=True, kw_only=True):
    kubelet_endpoint: DaemonEndpoint | None = None


class NodeSwapStatus(Shape, frozen=True, kw_only=True):
    """`capacity` counts bytes."""

    capacity: int | None = None


class NodeSystemInfo(Shape, frozen=True, kw_only=True):
    machine_id: str = msgspec.field(name="machineID")
    system_uuid: str = msgspec.field(name="systemUUID")
    boot_id: str = msgspec.field(name="bootID")
    kernel_version: str
    os_image: str
    container_runtime_version: str
    kubelet_version: str
    kube_proxy_version: str  # deprecated, and empty since Kubernetes 1.33
    operating_system: str
    architecture: str
    swap: NodeSwapStatus | None = None


class ContainerImage(Shape, frozen=True, kw_only=True):
    """An image that a node has, by all its names."""

    names: tuple[str, ...] | None
    size_bytes: int = 0


class AttachedVolume(Shape, frozen=True, kw_only=True):
    name: str
    device_path: str


class NodeRuntimeHandlerFeatures(Shape, frozen=True, kw_only=True):
    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(Shape, frozen=True, kw_only=True):
    """A handler that a RuntimeClass may name; the one without a name serves everybody else."""

    name: str
    features: NodeRuntimeHandlerFeatures | None = None


class NodeFeatures(Shape, frozen=True, kw_only=True):
    supplemental_groups_policy: bool | None = None


class NodeStatus(Shape, frozen=True, kw_only=True):
    capacity: Mapping[str, Quantity] = {}
    allocatable: Mapping[str, Quantity] = {}
    phase: str = ""
    conditions: tuple[NodeCondition, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    daemon_endpoints: NodeDaemonEndpoints | None = None
    node_info: NodeSystemInfo | None = None
    images: tuple[ContainerImage, ...] = ()
    volumes_in_use: tuple[str, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    config: Opaque | None = None
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    features: NodeFeatures | None = None
    declared_features: tuple[str, ...] = ()


class Node(Shape, frozen=True, kw_only=True, omit_defaults=False):
    api_version: str = "v1"
    kind: str = "Node"
    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def uid(self) -> str:
        return self.metadata.uid


NODES: Final = Resource(plural="nodes", kind="Node", type=Node, namespaced=False)
