import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krustlet.objects import (
    Container,
    ContainerPort,
    EmptyDirVolumeSource,
    EphemeralContainer,
    HostPathVolumeSource,
    ObjectMeta,
    Pod,
    PodSpec,
    Probe,
    Quantity,
    ResourceRequirements,
    Volume,
    default_pull_policy,
    validate,
    with_defaults,
)
from krustlet.sources import load_pods, read_manifests

GOLDEN = Path(__file__).with_name("golden")
DIGEST = f"sha256:{'a' * 64}"


def as_json(pod: Pod) -> Any:
    return json.loads(msgspec.json.encode(pod))


def completed(**spec: Any) -> PodSpec:
    return with_defaults(Pod(spec=PodSpec(**spec))).spec


def test_a_large_pod_is_completed_as_kubernetes_does_it() -> None:
    """What v1.36.3 itself makes of the same manifest is in the golden."""
    written = read_manifests((GOLDEN / "large.yaml").read_text(), name="large.yaml")

    (pod,) = map(with_defaults, written)

    assert as_json(pod) == json.loads((GOLDEN / "large.defaulted.json").read_bytes())


def test_the_large_pod_is_sound() -> None:
    assert len(load_pods((GOLDEN / "large.yaml").read_text(), name="large.yaml")) == 1


@pytest.mark.parametrize("name", ["api.json", "large.defaulted.json"])
def test_completing_twice_changes_nothing(name: str) -> None:
    once = with_defaults(msgspec.json.decode((GOLDEN / name).read_bytes(), type=Pod))

    assert with_defaults(once) == once


def test_a_small_pod_gets_what_every_pod_has() -> None:
    pod = with_defaults(Pod(metadata=ObjectMeta(name="a")))

    assert as_json(pod)["metadata"] == {"name": "a", "namespace": "default"}
    assert as_json(pod)["spec"] == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }


def test_what_was_said_is_kept() -> None:
    said = PodSpec(
        restart_policy="Never",
        termination_grace_period_seconds=0,
        dns_policy="None",
        scheduler_name="mine",
        enable_service_links=False,
    )

    spec = with_defaults(Pod(metadata=ObjectMeta(namespace="shop"), spec=said))

    assert spec.namespace == "shop"
    assert spec.spec.termination_grace_period_seconds == 0
    assert spec.spec.enable_service_links is False
    assert (spec.spec.restart_policy, spec.spec.dns_policy) == ("Never", "None")
    assert spec.spec.scheduler_name == "mine"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("hello", "Always"),
        ("hello:latest", "Always"),
        ("hello:v1", "IfNotPresent"),
        ("localhost:5000/hello", "Always"),
        ("localhost:5000/hello:v1", "IfNotPresent"),
        ("localhost:5000/hello:latest", "Always"),
        (f"hello@{DIGEST}", "IfNotPresent"),
        (f"hello:v1@{DIGEST}", "IfNotPresent"),
        (f"hello:latest@{DIGEST}", "Always"),
        ("file:hello.wasm", "IfNotPresent"),
        ("file:///srv/hello.wasm", "IfNotPresent"),
    ],
)
def test_the_tag_decides_when_to_pull(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy
    assert completed(containers=(Container(image=image),)).containers[0].image_pull_policy == policy


def test_a_limit_is_requested_where_nothing_else_is() -> None:
    limits = {"cpu": Quantity("2"), "memory": Quantity("1Gi")}
    resources = ResourceRequirements(limits=limits, requests={"cpu": Quantity("1")})

    spec = completed(
        containers=(Container(resources=resources),),
        init_containers=(Container(resources=resources),),
        ephemeral_containers=(EphemeralContainer(resources=resources),),
    )

    assert spec.containers[0].resources.requests == {"cpu": "1", "memory": "1Gi"}
    assert spec.init_containers[0].resources.requests == {"cpu": "1", "memory": "1Gi"}
    assert spec.ephemeral_containers[0].resources.requests == {"cpu": "1"}


def test_amounts_below_a_thousandth_are_rounded_up() -> None:
    resources = ResourceRequirements(
        requests={"cpu": Quantity("0.0001"), "memory": Quantity("0.5Gi"), "x/y": Quantity("much")}
    )

    (container,) = completed(containers=(Container(resources=resources),)).containers

    assert container.resources.requests == {"cpu": "1m", "memory": "0.5Gi", "x/y": "much"}


def test_a_pod_requests_what_its_containers_do_up_to_its_own_limits() -> None:
    asking = ResourceRequirements(requests={"cpu": Quantity("250m")})
    limits = {"cpu": Quantity("4"), "memory": Quantity("1Gi"), "example.com/x": Quantity("1")}

    spec = completed(
        containers=(Container(resources=asking), Container(resources=asking)),
        resources=ResourceRequirements(limits=limits),
    )

    assert spec.resources is not None
    assert spec.resources.requests == {"cpu": "500m", "memory": "1Gi"}


def test_an_unreadable_request_is_left_for_validation() -> None:
    asking = ResourceRequirements(requests={"cpu": Quantity("much")})
    limits = {"cpu": Quantity("4")}

    pod = with_defaults(
        Pod(
            metadata=ObjectMeta(name="a"),
            spec=PodSpec(
                containers=(Container(name="a", image="b", resources=asking),),
                resources=ResourceRequirements(limits=limits),
            ),
        )
    )

    assert [problem.message for problem in validate(pod)] == ["`much` is no quantity"]


def test_on_the_host_network_ports_are_the_hosts() -> None:
    ports = (ContainerPort(container_port=80), ContainerPort(container_port=81, host_port=81))

    spec = completed(host_network=True, containers=(Container(ports=ports),))
    elsewhere = completed(containers=(Container(ports=ports),))

    assert [port.host_port for port in spec.containers[0].ports] == [80, 81]
    assert [port.host_port for port in elsewhere.containers[0].ports] == [0, 81]


def test_figures_of_a_probe_that_are_zero_are_filled_in() -> None:
    (container,) = completed(
        containers=(Container(liveness_probe=Probe(period_seconds=3)),)
    ).containers

    assert container.liveness_probe == Probe(
        timeout_seconds=1, period_seconds=3, success_threshold=1, failure_threshold=3
    )


def test_a_volume_without_a_source_is_an_empty_directory() -> None:
    spec = completed(
        volumes=(Volume(name="a"), Volume(name="b", host_path=HostPathVolumeSource(path="/b")))
    )

    assert spec.volumes[0] == Volume(name="a", empty_dir=EmptyDirVolumeSource())
    assert spec.volumes[1].host_path == HostPathVolumeSource(path="/b", type="")
    assert spec.volumes[1].empty_dir is None


def test_both_names_of_the_service_account_say_the_same() -> None:
    old = completed(service_account="robot")
    new = completed(service_account_name="robot", service_account="other")

    assert (old.service_account_name, old.service_account) == ("robot", "robot")
    assert (new.service_account_name, new.service_account) == ("robot", "robot")
