"""What a container and its pod may use, as Kubernetes computes it.

The figures are those of pkg/kubelet/cm/helpers_linux_test.go and
pkg/kubelet/kuberuntime/kuberuntime_container_linux_test.go.
"""

from typing import Any

import pytest

from krustlet.cgroups import Limits
from krustlet.objects import Container, PodSpec, Quantity, ResourceRequirements
from krustlet.pods.limits import container_limits, cpu_quota_us, cpu_shares, limits_of_pod
from tests.support.pods import a_container, a_pod, a_sidecar

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("millis", "shares"),
    [
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 3),
        (100, 102),
        (500, 512),
        (1000, 1024),
        (256_000, 262_144),
        (1_000_000, 262_144),
    ],
)
def test_shares(millis: int, shares: int) -> None:
    assert cpu_shares(millis) == shares


@pytest.mark.parametrize(
    ("millis", "quota_us"),
    [(0, None), (1, 1000), (9, 1000), (10, 1000), (20, 2000), (200, 20_000), (1500, 150_000)],
)
def test_quota(millis: int, quota_us: int | None) -> None:
    assert cpu_quota_us(millis) == quota_us


@pytest.mark.parametrize("amount", ["99999999999999999999", "1e30", "9223372036854775808"])
def test_more_than_the_kernel_can_count_is_the_most_that_it_can(amount: str) -> None:
    greedy = app({}, {"cpu": amount, "memory": amount})
    spec = PodSpec(containers=(greedy,))
    for limits in (container_limits(spec, greedy), limits_of_pod(spec)):
        assert (limits.memory_bytes, limits.cpu_quota_us) == (2**63 - 1, 2**44 - 1)


def asking(
    requests: dict[str, str] | None = None, limits: dict[str, str] | None = None
) -> ResourceRequirements:
    return ResourceRequirements(
        requests={name: Quantity(q) for name, q in (requests or {}).items()},
        limits={name: Quantity(q) for name, q in (limits or {}).items()},
    )


def app(*resources: Any, name: str = "app") -> Container:
    return a_container(name, resources=asking(*resources))


def sidecar(*resources: Any) -> Container:
    return a_sidecar("proxy", resources=asking(*resources))


def spec_of(*containers: Container, **spec: Any) -> PodSpec:
    return a_pod(*containers, **spec).spec


# a container ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "whole", "limits"),
    [
        pytest.param((), None, Limits(cpu_shares=2), id="nothing-is-asked-for"),
        pytest.param(
            ({"cpu": "250m", "memory": "64Mi"},),
            None,
            Limits(cpu_shares=256),
            id="a-request-of-memory-limits-nothing",
        ),
        pytest.param(
            ({"cpu": "250m"}, {"cpu": "500m", "memory": "128Mi"}),
            None,
            Limits(cpu_shares=256, cpu_quota_us=50_000, memory_bytes=128 * MIB),
            id="both",
        ),
        pytest.param(
            ({}, {"cpu": "0.5", "memory": "1.5"}),
            None,
            Limits(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=2),
            id="the-limit-is-the-request-where-there-is-none-and-half-a-byte-is-one",
        ),
        pytest.param(
            ({"cpu": "0"}, {"cpu": "1"}),
            None,
            Limits(cpu_shares=2, cpu_quota_us=100_000),
            id="a-request-of-nothing-is-one",
        ),
        pytest.param(
            ({}, {"cpu": "0", "memory": "0"}),
            None,
            Limits(cpu_shares=2),
            id="a-limit-of-nothing-is-none",
        ),
        pytest.param(
            ({}, {"cpu": "100m"}),
            asking({}, {"cpu": "2", "memory": "256Mi"}),
            Limits(cpu_shares=102, cpu_quota_us=10_000, memory_bytes=256 * MIB),
            id="what-the-container-leaves-open-the-pod-limits",
        ),
    ],
)
def test_a_container(resources: Any, whole: ResourceRequirements | None, limits: Limits) -> None:
    spec = PodSpec(containers=(app(*resources),), resources=whole)
    assert container_limits(spec, spec.containers[0]) == limits


# a pod ------------------------------------------------------------------------------------------

FULL: Any = ({}, {"cpu": "1", "memory": "1Gi"})
SMALL: Any = ({"cpu": "100m", "memory": "100Mi"}, {"cpu": "200m", "memory": "200Mi"})


@pytest.mark.parametrize(
    ("spec", "limits"),
    [
        pytest.param(spec_of(app()), Limits(cpu_shares=2), id="best-effort"),
        pytest.param(
            spec_of(app({"cpu": "100m", "memory": "200Mi"})),
            Limits(cpu_shares=102),
            id="burstable-without-limits",
        ),
        pytest.param(
            spec_of(app(*SMALL)),
            Limits(cpu_shares=102, cpu_quota_us=20_000, memory_bytes=200 * MIB),
            id="burstable-with-limits",
        ),
        pytest.param(
            spec_of(app(*SMALL), app({"cpu": "100m"}, {"cpu": "100m"}, name="other")),
            Limits(cpu_shares=204, cpu_quota_us=30_000),
            id="one-container-without-a-limit-of-memory-is-enough",
        ),
        pytest.param(
            spec_of(app(*FULL), app(*FULL, name="b")),
            Limits(cpu_shares=2048, cpu_quota_us=200_000, memory_bytes=2048 * MIB),
            id="guaranteed",
        ),
        pytest.param(
            spec_of(app(*SMALL), init=(app({}, {"cpu": "2", "memory": "50Mi"}, name="first"),)),
            Limits(cpu_shares=2048, cpu_quota_us=200_000, memory_bytes=200 * MIB),
            id="an-init-container-that-needs-more-than-all-others",
        ),
        pytest.param(
            spec_of(app(*SMALL), init=(app(name="first"),)),
            Limits(cpu_shares=102),
            id="an-init-container-without-limits",
        ),
        pytest.param(
            spec_of(app(*SMALL), init=(sidecar(*SMALL), app(name="first"))),
            Limits(cpu_shares=204, cpu_quota_us=40_000, memory_bytes=400 * MIB),
            id="a-sidecar-limits-what-runs-after-it-as-kubernetes-has-it",
        ),
        pytest.param(
            spec_of(app(*SMALL), overhead={"cpu": Quantity("100m"), "memory": Quantity("20Mi")}),
            Limits(cpu_shares=204, cpu_quota_us=30_000, memory_bytes=220 * MIB),
            id="overhead-is-added",
        ),
        pytest.param(
            spec_of(app(*SMALL[:1]), overhead={"memory": Quantity("20Mi")}),
            Limits(cpu_shares=102),
            id="overhead-limits-nothing-by-itself",
        ),
        pytest.param(
            spec_of(app(), resources=asking({"cpu": "1"}, {"cpu": "2", "memory": "300Mi"})),
            Limits(cpu_shares=1024, cpu_quota_us=200_000, memory_bytes=300 * MIB),
            id="what-is-said-of-the-pod-as-a-whole-counts",
        ),
        pytest.param(
            spec_of(app(*SMALL), app(name="b"), resources=asking({}, {"memory": "300Mi"})),
            Limits(cpu_shares=102, memory_bytes=300 * MIB),
            id="of-memory-alone-then-processors-stay-unlimited",
        ),
    ],
)  # fmt: skip
def test_a_pod(spec: PodSpec, limits: Limits) -> None:
    assert limits_of_pod(spec) == limits


def test_the_nodes_limit_of_processes_holds_for_every_pod() -> None:
    for spec in (spec_of(app()), spec_of(app(*SMALL))):
        assert limits_of_pod(spec, pids=64).pids == 64
        assert limits_of_pod(spec).pids is None
