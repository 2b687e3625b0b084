"""Ask for what a container's variables come from. Leaves what they then are to `env.py`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from krustlet.objects import (
    Addresses,
    Allocatable,
    ContainerCommon,
    EnvVarSource,
    LookupFailed,
    Lookups,
    ObjectError,
    Pod,
    allocatable_to,
    container_named,
    field_value,
    resource_value,
)
from krustlet.pods.env import EnvError, Found, compose, references
from krustlet.pods.projection import HostAddress

T = TypeVar("T")


class EnvUnavailable(EnvError):
    """A variable's source is missing, cannot be asked, or is none."""


async def resolve_environment(
    pod: Pod,
    container: ContainerCommon,
    *,
    address: HostAddress,
    lookups: Lookups,
    allocatable: Allocatable,
    services: Mapping[str, str] = {},
) -> Mapping[str, str]:
    """The container's variables, as their sources are now; each object is asked for once.

    Args:
        address: where the pod is reached, which is where its node is.
        allocatable: what the node has for pods: the limits of those that have none.
        services: the variables that tell of services.

    Raises:
        EnvError: a variable cannot be given; it may be possible later.
    """
    try:
        found = await _look_up(pod.namespace, container, lookups)
        derived = _derived(pod, container, address, allocatable)
        return compose(container, found, derived=derived, services=services)
    except ObjectError as exc:
        raise EnvUnavailable(exc.message, hint=exc.hint) from exc


async def _look_up(namespace: str, container: ContainerCommon, lookups: Lookups) -> Found:
    wanted = references(container)
    config_maps, secrets = await asyncio.gather(
        _all(wanted.config_maps, lambda name: lookups.config_map(namespace, name)),
        _all(wanted.secrets, lambda name: lookups.secret(namespace, name)),
    )
    return Found(config_maps=config_maps, secrets=secrets)


async def _all(
    names: Iterable[str], look_up: Callable[[str], Awaitable[T]]
) -> dict[str, T | LookupFailed]:
    """The object of each name, all asked for at once; or the error that says why not."""

    async def one(name: str) -> T | LookupFailed:
        try:
            return await look_up(name)
        except LookupFailed as failed:
            return failed

    ordered = sorted(names)
    return dict(zip(ordered, await asyncio.gather(*map(one, ordered)), strict=True))


def _derived(
    pod: Pod, container: ContainerCommon, address: HostAddress, allocatable: Allocatable
) -> Callable[[EnvVarSource], str | None]:
    ips = (address.ip,) if address.ip else ()
    addresses = Addresses(host_ips=ips, pod_ips=ips)

    def value(source: EnvVarSource) -> str | None:
        if (field := source.field_ref) is not None:
            return field_value(pod, field.field_path, addresses)
        if (selector := source.resource_field_ref) is not None:
            name = selector.container_name
            of = container_named(pod.spec, name) if name else container
            return resource_value(of, selector, allocatable_to(pod.spec, allocatable))
        return None

    return value
