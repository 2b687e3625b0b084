"""What became of a pod, as reported to the API server."""

from collections.abc import Mapping

import msgspec

from krustlet.objects.container import ResourceRequirements
from krustlet.objects.quantity import Quantity
from krustlet.objects.shape import Opaque, Shape


class PodCondition(Shape, frozen=True, kw_only=True):
    type: str
    status: str
    observed_generation: int = 0
    last_probe_time: str | None = None
    last_transition_time: str | None = None
    reason: str = ""
    message: str = ""


class ContainerStateWaiting(Shape, frozen=True, kw_only=True):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(Shape, frozen=True, kw_only=True):
    started_at: str | None = None


class ContainerStateTerminated(Shape, frozen=True, kw_only=True):
    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str = msgspec.field(default="", name="containerID")


class ContainerState(Shape, frozen=True, kw_only=True):
    """At most one is set; none means waiting."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ImageVolumeStatus(Shape, frozen=True, kw_only=True):
    image_ref: str = ""


class VolumeStatus(Shape, frozen=True, kw_only=True):
    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Shape, frozen=True, kw_only=True):
    name: str
    mount_path: str
    read_only: bool = False
    recursive_read_only: str | None = None
    volume_status: VolumeStatus | None = None


class LinuxContainerUser(Shape, frozen=True, kw_only=True):
    uid: int
    gid: int
    supplemental_groups: tuple[int, ...] = ()


class ContainerUser(Shape, frozen=True, kw_only=True):
    linux: LinuxContainerUser | None = None


class ContainerStatus(Shape, frozen=True, kw_only=True):
    """Of one container of any kind; what has no default is always written."""

    name: str
    ready: bool
    restart_count: int
    image: str
    image_id: str = msgspec.field(name="imageID")
    container_id: str = msgspec.field(default="", name="containerID")
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    started: bool | None = None
    allocated_resources: Mapping[str, Quantity] = {}
    resources: ResourceRequirements | None = None
    volume_mounts: tuple[VolumeMountStatus, ...] = ()
    user: ContainerUser | None = None
    allocated_resources_status: tuple[Opaque, ...] = ()
    stop_signal: str | None = None


class PodIP(Shape, frozen=True, kw_only=True):
    ip: str = ""


class HostIP(Shape, frozen=True, kw_only=True):
    ip: str = ""


class PodStatus(Shape, frozen=True, kw_only=True):
    observed_generation: int = 0
    phase: str = ""
    conditions: tuple[PodCondition, ...] = ()
    message: str = ""
    reason: str = ""
    nominated_node_name: str = ""
    host_ip: str = msgspec.field(default="", name="hostIP")
    host_ips: tuple[HostIP, ...] = msgspec.field(default=(), name="hostIPs")
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    start_time: str | None = None
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    resize: str = ""
    resource_claim_statuses: tuple[Opaque, ...] = ()
    extended_resource_claim_status: Opaque | None = None
    allocated_resources: Mapping[str, Quantity] = {}
    resources: ResourceRequirements | None = None
    node_allocatable_resource_claim_statuses: tuple[Opaque, ...] = ()
