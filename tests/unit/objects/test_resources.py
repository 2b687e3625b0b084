from decimal import Decimal

from krustlet.objects import (
    Container,
    PodSpec,
    Quantity,
    ResourceRequirements,
    container_requests,
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
