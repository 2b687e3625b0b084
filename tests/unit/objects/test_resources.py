from decimal import Decimal

import pytest
from msgspec.structs import replace

from krustlet.objects import (
    Container,
    PodSpec,
    Quantity,
    ResourceRequirements,
    container_requests,
    has_pod_level,
    pod_limits,
    pod_requests,
    qos_class,
)


def asking(cpu: str, *, restart_policy: str | None = None) -> Container:
    resources = ResourceRequirements(requests={"cpu": Quantity(cpu)})
    return Container(resources=resources, restart_policy=restart_policy)


def cpu_of(*containers: Container, init: tuple[Container, ...] = ()) -> Decimal:
    return container_requests(PodSpec(containers=containers, init_containers=init))["cpu"]


def test_app_containers_run_together() -> None:
    assert cpu_of(asking("100m"), asking("1")) == Decimal("1.1")


def test_init_containers_run_one_by_one() -> None:
    assert cpu_of(asking("1"), init=(asking("2"), asking("3"))) == 3
    assert cpu_of(asking("5"), init=(asking("2"), asking("3"))) == 5


def test_a_sidecar_runs_beside_all_that_come_after_it() -> None:
    sidecar = asking("1", restart_policy="Always")

    assert cpu_of(asking("1"), init=(sidecar,)) == 2
    assert cpu_of(asking("1"), init=(sidecar, asking("3"))) == 4
    assert cpu_of(asking("1"), init=(asking("3"), sidecar)) == 3


def test_a_pod_may_ask_for_nothing() -> None:
    assert container_requests(PodSpec(containers=(Container(),))) == {}


# the pod as a whole -----------------------------------------------------------------------------


def of(
    requests: dict[str, str] | None = None, limits: dict[str, str] | None = None
) -> ResourceRequirements:
    return ResourceRequirements(
        requests={name: Quantity(q) for name, q in (requests or {}).items()},
        limits={name: Quantity(q) for name, q in (limits or {}).items()},
    )


def a_spec(*resources: ResourceRequirements, whole: ResourceRequirements | None = None) -> PodSpec:
    return PodSpec(
        containers=tuple(Container(resources=of_one) for of_one in resources), resources=whole
    )


def test_what_the_pod_says_as_a_whole_takes_the_place_of_the_sum() -> None:
    spec = a_spec(of({"cpu": "1", "memory": "1"}), whole=of({"cpu": "3"}, {"memory": "9"}))
    assert pod_requests(spec) == {"cpu": 3, "memory": 1}
    assert pod_limits(spec) == {"memory": 9}
    assert has_pod_level(spec)


def test_only_some_resources_can_be_said_of_the_whole() -> None:
    spec = a_spec(of(), whole=of({"ephemeral-storage": "1", "hugepages-2Mi": "4Mi"}))
    assert pod_requests(spec) == {"hugepages-2Mi": 4 << 20}
    assert not has_pod_level(a_spec(of(), whole=of({"ephemeral-storage": "1"})))


def test_overhead_is_requested_and_raises_limits_but_makes_none() -> None:
    spec = replace(
        a_spec(of({"cpu": "1"}, {"cpu": "2", "memory": "0"})),
        overhead={"cpu": Quantity("500m"), "memory": Quantity("7")},
    )
    assert pod_requests(spec) == {"cpu": Decimal("1.5"), "memory": 7}
    assert pod_limits(spec) == {"cpu": Decimal("2.5"), "memory": 0}


FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "qos"),
    [
        pytest.param(a_spec(of()), "BestEffort", id="nothing"),
        pytest.param(a_spec(of({"cpu": "0"}, {"memory": "0"})), "BestEffort", id="zero-is-nothing"),
        pytest.param(
            a_spec(of({"example.com/dongle": "1"}, {"example.com/dongle": "1"})),
            "BestEffort",
            id="devices-are-no-matter",
        ),
        pytest.param(a_spec(of(FULL, FULL)), "Guaranteed", id="all-that-it-may-have"),
        pytest.param(
            a_spec(of({"cpu": "1000m", "memory": "1024Mi"}, FULL)),
            "Guaranteed",
            id="the-same-in-other-words",
        ),
        pytest.param(a_spec(of(FULL, FULL), of(FULL, FULL)), "Guaranteed", id="two-of-them"),
        pytest.param(a_spec(of(FULL, FULL), of()), "Burstable", id="one-asks-for-nothing"),
        pytest.param(
            a_spec(of({**FULL, "cpu": "500m"}, FULL)), "Burstable", id="less-than-it-may-have"
        ),
        pytest.param(a_spec(of({}, FULL)), "Burstable", id="limits-alone-undefaulted"),
        pytest.param(
            a_spec(of({"cpu": "1"}, {"cpu": "1"})), "Burstable", id="processors-without-memory"
        ),
        pytest.param(
            a_spec(of(), of(), whole=of(FULL, FULL)), "Guaranteed", id="the-pod-as-a-whole"
        ),
        pytest.param(
            a_spec(of(FULL, FULL), whole=of(FULL)), "Burstable", id="of-the-whole-requests-alone"
        ),
        pytest.param(a_spec(of(FULL, FULL), whole=of()), "BestEffort", id="of-the-whole-nothing"),
    ],
)
def test_quality_of_service(spec: PodSpec, qos: str) -> None:
    assert qos_class(spec) == qos


def test_init_containers_have_a_say_in_the_quality_of_service() -> None:
    app = Container(resources=of(FULL, FULL))
    assert qos_class(PodSpec(containers=(app,), init_containers=(app,))) == "Guaranteed"
    assert qos_class(PodSpec(containers=(app,), init_containers=(Container(),))) == "Burstable"
