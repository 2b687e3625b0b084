"""The pod: what is wanted, and what is told of it."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from krustlet.objects.container import (
    Container,
    ContainerCommon,
    EphemeralContainer,
    ResourceRequirements,
)
from krustlet.objects.meta import LocalObjectReference, ObjectMeta
from krustlet.objects.names import PodKey, PodUID, pod_key
from krustlet.objects.quantity import Quantity
from krustlet.objects.resource import Resource
from krustlet.objects.security import PodSecurityContext
from krustlet.objects.shape import Opaque, Shape
from krustlet.objects.status import PodStatus
from krustlet.objects.volume import Volume


class Toleration(Shape, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class HostAlias(Shape, frozen=True, kw_only=True):
    ip: str = ""
    hostnames: tuple[str, ...] = ()


class PodDNSConfigOption(Shape, frozen=True, kw_only=True):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Shape, frozen=True, kw_only=True):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()


class PodReadinessGate(Shape, frozen=True, kw_only=True):
    condition_type: str = ""


class PodOS(Shape, frozen=True, kw_only=True):
    name: str = ""


class PodSchedulingGate(Shape, frozen=True, kw_only=True):
    name: str = ""


class PodSpec(Shape, frozen=True, kw_only=True):
    volumes: tuple[Volume, ...] = ()
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""
    node_selector: Mapping[str, str] = {}
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = msgspec.field(default=False, name="hostPID")
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    affinity: Opaque | None = None
    scheduler_name: str = ""
    tolerations: tuple[Toleration, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    priority_class_name: str = ""
    priority: int | None = None
    dns_config: PodDNSConfig | None = None
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    preemption_policy: str | None = None
    overhead: Mapping[str, Quantity] = {}
    topology_spread_constraints: tuple[Opaque, ...] = ()
    set_hostname_as_fqdn: bool | None = msgspec.field(default=None, name="setHostnameAsFQDN")
    os: PodOS | None = None
    host_users: bool | None = None
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    resource_claims: tuple[Opaque, ...] = ()
    resources: ResourceRequirements | None = None
    hostname_override: str | None = None
    scheduling_group: Opaque | None = None

    def all_containers(self) -> Iterator[ContainerCommon]:
        """Init, app and ephemeral containers, in the order in which they start."""
        yield from self.init_containers
        yield from self.containers
        yield from self.ephemeral_containers


class Pod(Shape, frozen=True, kw_only=True, omit_defaults=False):
    """All five parts are always written, as by the API server; items of a list may lack a kind."""

    api_version: str = "v1"
    kind: str = "Pod"
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def uid(self) -> PodUID:
        return PodUID(self.metadata.uid)

    @property
    def key(self) -> PodKey:
        return pod_key(namespace=self.metadata.namespace, name=self.metadata.name)


PODS: Final = Resource(plural="pods", kind="Pod", type=Pod)
