"""What the API server fills in when a pod is created; for pods that never pass through one.

Only defaulting, not admission: nothing here looks at service accounts, priority classes or quotas.

Source: kubernetes `pkg/apis/core/v1/defaults.go`, `zz_generated.defaults.go`.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from msgspec.structs import replace

from krustlet.objects.container import ContainerCommon, ContainerPort, ResourceRequirements
from krustlet.objects.env import EnvVar
from krustlet.objects.errors import QuantityError
from krustlet.objects.meta import ObjectMeta
from krustlet.objects.pod import Pod, PodSpec
from krustlet.objects.probe import HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from krustlet.objects.quantity import Quantity, exact, from_exact
from krustlet.objects.resources import container_requests
from krustlet.objects.security import PodSecurityContext
from krustlet.objects.selector import ObjectFieldSelector
from krustlet.objects.shape import Shape
from krustlet.objects.volume import (
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    ProjectedVolumeSource,
    Volume,
    VolumeProjection,
)
from krustlet.objects.words import (
    DNSPolicy,
    Protocol,
    PullPolicy,
    RestartPolicy,
    TerminationMessagePolicy,
    URIScheme,
)

DEFAULT_NAMESPACE: Final = "default"
DEFAULT_GRACE_S: Final = 30
DEFAULT_TERMINATION_MESSAGE_PATH: Final = "/dev/termination-log"

_SCHEDULER: Final = "default-scheduler"
_FILE_MODE: Final = 0o644
_TOKEN_LIFE_S: Final = 3600
_PROBE_TIMEOUT_S: Final = 1
_PROBE_PERIOD_S: Final = 10
_PROBE_SUCCESSES: Final = 1
_PROBE_FAILURES: Final = 3
_LOCAL_FILE: Final = "file:"
_POD_LEVEL: Final = ("cpu", "memory")
_HUGE_PAGES: Final = "hugepages-"

S = TypeVar("S", bound=Shape)
C = TypeVar("C", bound=ContainerCommon)


def with_defaults(pod: Pod) -> Pod:
    """The pod with everything filled in that the API server would fill in.

    Idempotent, and total: what is nonsense stays as it is, for `validate` to name.
    """
    return replace(pod, metadata=_metadata(pod.metadata), spec=_spec(pod.spec))


def default_pull_policy(image: str) -> PullPolicy:
    """`Always` for the tag `latest`, written or implied; else, and for files, `IfNotPresent`."""
    if image.startswith(_LOCAL_FILE):
        return PullPolicy.IF_NOT_PRESENT
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if tag == "latest" or not (colon or digest):
        return PullPolicy.ALWAYS
    return PullPolicy.IF_NOT_PRESENT


def _filled(shape: S, **defaults: object) -> S:
    """With each default where the field says nothing; 0 and False say something."""
    unset = {name: value for name, value in defaults.items() if getattr(shape, name) in (None, "")}
    return replace(shape, **unset) if unset else shape


def _metadata(metadata: ObjectMeta) -> ObjectMeta:
    return _filled(metadata, namespace=DEFAULT_NAMESPACE)


def _spec(spec: PodSpec) -> PodSpec:
    filled = _filled(
        spec,
        restart_policy=RestartPolicy.ALWAYS.value,
        termination_grace_period_seconds=DEFAULT_GRACE_S,
        dns_policy=DNSPolicy.CLUSTER_FIRST.value,
        security_context=PodSecurityContext(),
        scheduler_name=_SCHEDULER,
        enable_service_links=True,
        service_account_name=spec.service_account,
    )
    return _pod_level(
        replace(
            filled,
            service_account=filled.service_account_name,  # the old name of the same field
            volumes=tuple(map(_volume, spec.volumes)),
            init_containers=tuple(
                _requesting(_container(c, spec.host_network)) for c in spec.init_containers
            ),
            containers=tuple(
                _requesting(_container(c, spec.host_network)) for c in spec.containers
            ),
            ephemeral_containers=tuple(
                _container(c, host_network=False) for c in spec.ephemeral_containers
            ),
            overhead=_rounded(spec.overhead),
        )
    )


def _container(container: C, host_network: bool) -> C:
    filled = _filled(
        container,
        image_pull_policy=default_pull_policy(container.image).value,
        termination_message_path=DEFAULT_TERMINATION_MESSAGE_PATH,
        termination_message_policy=TerminationMessagePolicy.FILE.value,
    )
    return replace(
        filled,
        ports=tuple(_port(port, host_network) for port in container.ports),
        env=tuple(map(_env_var, container.env)),
        resources=_resources(container.resources),
        liveness_probe=_where_set(_probe, container.liveness_probe),
        readiness_probe=_where_set(_probe, container.readiness_probe),
        startup_probe=_where_set(_probe, container.startup_probe),
        lifecycle=_where_set(_lifecycle, container.lifecycle),
    )


def _where_set(fill: Callable[[S], S], shape: S | None) -> S | None:
    return None if shape is None else fill(shape)


def _port(port: ContainerPort, host_network: bool) -> ContainerPort:
    host_port = port.host_port or (port.container_port if host_network else 0)
    return _filled(replace(port, host_port=host_port), protocol=Protocol.TCP.value)


def _env_var(var: EnvVar) -> EnvVar:
    source = var.value_from
    if source is None:
        return var
    field_ref = _where_set(_field_ref, source.field_ref)
    file_key_ref = source.file_key_ref and _filled(source.file_key_ref, optional=False)
    return replace(var, value_from=replace(source, field_ref=field_ref, file_key_ref=file_key_ref))


def _field_ref(selector: ObjectFieldSelector) -> ObjectFieldSelector:
    return _filled(selector, api_version="v1")


def _probe(probe: Probe) -> Probe:
    return replace(
        probe,
        http_get=_where_set(_http_get, probe.http_get),
        grpc=probe.grpc and _filled(probe.grpc, service=""),
        timeout_seconds=probe.timeout_seconds or _PROBE_TIMEOUT_S,
        period_seconds=probe.period_seconds or _PROBE_PERIOD_S,
        success_threshold=probe.success_threshold or _PROBE_SUCCESSES,
        failure_threshold=probe.failure_threshold or _PROBE_FAILURES,
    )


def _http_get(action: HTTPGetAction) -> HTTPGetAction:
    return _filled(action, path="/", scheme=URIScheme.HTTP.value)


def _lifecycle(lifecycle: Lifecycle) -> Lifecycle:
    return replace(
        lifecycle,
        post_start=_where_set(_hook, lifecycle.post_start),
        pre_stop=_where_set(_hook, lifecycle.pre_stop),
    )


def _hook(handler: LifecycleHandler) -> LifecycleHandler:
    return replace(handler, http_get=_where_set(_http_get, handler.http_get))


def _resources(resources: ResourceRequirements) -> ResourceRequirements:
    return replace(
        resources, limits=_rounded(resources.limits), requests=_rounded(resources.requests)
    )


def _rounded(quantities: Mapping[str, Quantity]) -> Mapping[str, Quantity]:
    """Nothing is finer than a thousandth: what is, is rounded up."""
    return {name: _to_thousandths(quantity) for name, quantity in quantities.items()}


def _to_thousandths(quantity: Quantity) -> Quantity:
    try:
        amount = exact(quantity)
    except QuantityError:
        return quantity
    coarse = from_exact(amount)
    return coarse if exact(coarse) != amount else quantity


def _requesting(container: C) -> C:
    """A limit without a request is requested in full."""
    resources = container.resources
    requests = {**resources.limits, **resources.requests}
    return replace(container, resources=replace(resources, requests=requests))


def _pod_level(spec: PodSpec) -> PodSpec:
    """Pod-level limits bring pod-level requests: what the containers request, else the limit."""
    if spec.resources is None or not spec.resources.limits:
        return spec
    try:
        asked = container_requests(spec)
    except QuantityError:
        return spec
    requests = {
        **{name: limit for name, limit in spec.resources.limits.items() if _is_pod_level(name)},
        **{name: from_exact(amount) for name, amount in asked.items() if name in _POD_LEVEL},
        **spec.resources.requests,
    }
    return replace(spec, resources=replace(spec.resources, requests=requests))


def _is_pod_level(resource: str) -> bool:
    return resource in _POD_LEVEL or resource.startswith(_HUGE_PAGES)


def _volume(volume: Volume) -> Volume:
    filled = volume if volume.sources() else replace(volume, empty_dir=EmptyDirVolumeSource())
    image = volume.image and _filled(
        volume.image, pull_policy=default_pull_policy(volume.image.reference).value
    )
    return replace(
        filled,
        host_path=volume.host_path and _filled(volume.host_path, type=""),
        secret=volume.secret and _filled(volume.secret, default_mode=_FILE_MODE),
        config_map=volume.config_map and _filled(volume.config_map, default_mode=_FILE_MODE),
        downward_api=volume.downward_api
        and replace(
            _filled(volume.downward_api, default_mode=_FILE_MODE),
            items=tuple(map(_downward_file, volume.downward_api.items)),
        ),
        projected=_where_set(_projected, volume.projected),
        image=image,
    )


def _downward_file(file: DownwardAPIVolumeFile) -> DownwardAPIVolumeFile:
    return replace(file, field_ref=_where_set(_field_ref, file.field_ref))


def _projected(source: ProjectedVolumeSource) -> ProjectedVolumeSource:
    sources = None if source.sources is None else tuple(map(_projection, source.sources))
    return replace(_filled(source, default_mode=_FILE_MODE), sources=sources)


def _projection(projection: VolumeProjection) -> VolumeProjection:
    downward = projection.downward_api
    token = projection.service_account_token
    return replace(
        projection,
        downward_api=downward
        and replace(downward, items=tuple(map(_downward_file, downward.items))),
        service_account_token=token and _filled(token, expiration_seconds=_TOKEN_LIFE_S),
    )
