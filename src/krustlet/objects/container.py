"""A container of a pod, as wanted."""

from collections.abc import Mapping

import msgspec

from krustlet.objects.env import EnvFromSource, EnvVar
from krustlet.objects.probe import Lifecycle, Probe
from krustlet.objects.quantity import Quantity
from krustlet.objects.security import SecurityContext
from krustlet.objects.shape import Shape


class ContainerPort(Shape, frozen=True, kw_only=True):
    name: str = ""
    host_port: int = 0
    container_port: int = 0
    protocol: str = ""
    host_ip: str = msgspec.field(default="", name="hostIP")


class ResourceClaim(Shape, frozen=True, kw_only=True):
    name: str = ""
    request: str = ""


class ResourceRequirements(Shape, frozen=True, kw_only=True):
    """Amounts by resource name: `cpu`, `memory`, `ephemeral-storage`, `example.com/dongle`."""

    limits: Mapping[str, Quantity] = {}
    requests: Mapping[str, Quantity] = {}
    claims: tuple[ResourceClaim, ...] = ()


class ContainerResizePolicy(Shape, frozen=True, kw_only=True):
    resource_name: str = ""
    restart_policy: str = ""


class ContainerRestartRuleOnExitCodes(Shape, frozen=True, kw_only=True):
    operator: str = ""
    values: tuple[int, ...] = ()


class ContainerRestartRule(Shape, frozen=True, kw_only=True):
    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class VolumeMount(Shape, frozen=True, kw_only=True):
    name: str = ""
    read_only: bool = False
    recursive_read_only: str | None = None
    mount_path: str = ""
    sub_path: str = ""
    mount_propagation: str | None = None
    sub_path_expr: str = ""


class VolumeDevice(Shape, frozen=True, kw_only=True):
    name: str = ""
    device_path: str = ""


class ContainerCommon(Shape, frozen=True, kw_only=True):
    """What containers of every kind have."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class Container(ContainerCommon, frozen=True, kw_only=True):
    """An app container or an init container; the latter with `restart_policy` Always: a sidecar."""


class EphemeralContainer(ContainerCommon, frozen=True, kw_only=True):
    """Added to a running pod for debugging; never restarted."""

    target_container_name: str = ""
