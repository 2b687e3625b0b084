from typing import Any

import pytest

from krustlet.objects import Container, Pod, PodSpec, Quantity, ResourceRequirements
from krustlet.volumes.memory_size import memory_size

MI = 1024 * 1024
NODE = {"memory": Quantity("1Gi")}


def limited(memory: str | None) -> Container:
    limits = {} if memory is None else {"memory": Quantity(memory)}
    return Container(name="c", resources=ResourceRequirements(limits=limits))


def a_pod(*memory: str | None, init: str | None = None, **spec: Any) -> Pod:
    inits = () if init is None else (limited(init),)
    return Pod(spec=PodSpec(containers=tuple(map(limited, memory)), init_containers=inits, **spec))


@pytest.mark.parametrize(
    ("pod", "size_limit", "size"),
    [
        pytest.param(a_pod(None), None, 1024 * MI, id="what-the-node-has"),
        pytest.param(a_pod(None), "64Mi", 64 * MI, id="its-own-limit"),
        pytest.param(a_pod(None), "2Gi", 1024 * MI, id="never-more-than-the-node-has"),
        pytest.param(a_pod(None), "0", 1024 * MI, id="a-limit-of-nothing-is-none"),
        pytest.param(a_pod("100Mi", "50Mi"), None, 150 * MI, id="what-the-pod-may-use"),
        pytest.param(a_pod("100Mi", "50Mi"), "1Gi", 150 * MI, id="never-more-than-the-pod-may"),
        pytest.param(a_pod("100Mi", None), None, 1024 * MI, id="one-without-a-limit-has-all"),
        pytest.param(a_pod("100Mi", init="300Mi"), None, 300 * MI, id="an-init-container-counts"),
        pytest.param(a_pod("1500m"), None, 2, id="rounded-up"),
        pytest.param(
            a_pod(None, resources=ResourceRequirements(limits={"memory": Quantity("80Mi")})),
            None,
            80 * MI,
            id="the-pods-limit-as-a-whole",
        ),
    ],
)
def test_how_much_an_empty_dir_in_memory_holds(pod: Pod, size_limit: str | None, size: int) -> None:
    assert memory_size(pod, size_limit, NODE) == size


def test_where_nothing_is_known_nothing_is_limited() -> None:
    assert memory_size(a_pod(None), None, {}) is None
