"""Leases: who holds something, and when he last said so."""

from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape


class LeaseSpec(Shape, frozen=True, kw_only=True):
    """Times are as `to_rfc3339_micro` writes them."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class Lease(Shape, frozen=True, kw_only=True, omit_defaults=False):
    api_version: str = "coordination.k8s.io/v1"
    kind: str = "Lease"
    metadata: ObjectMeta = ObjectMeta()
    spec: LeaseSpec = LeaseSpec()


LEASES: Final = Resource(group="coordination.k8s.io", plural="leases", kind="Lease", type=Lease)
