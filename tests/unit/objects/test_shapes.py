"""The goldens: `api.json` holds what no manifest does; `large.defaulted.json` is Kubernetes' own.

The latter is what the defaulting and conversion of kubernetes v1.36.3 made of `large.yaml`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from krustlet.objects import (
    Container,
    ContainerStatus,
    EphemeralContainer,
    ObjectMeta,
    Pod,
    PodKey,
    PodSpec,
    PodStatus,
    PodUID,
    Shape,
)

GOLDEN = Path(__file__).with_name("golden")
GOLDENS = [GOLDEN / "api.json", GOLDEN / "large.defaulted.json"]


def decoded(golden: Path) -> Pod:
    return msgspec.json.decode(golden.read_bytes(), type=Pod)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_what_the_api_server_sends_goes_back_unchanged(golden: Path) -> None:
    sent = json.loads(golden.read_bytes())

    assert json.loads(msgspec.json.encode(decoded(golden))) == sent


def test_the_goldens_hold_every_field_there_is() -> None:
    known = {name for shape in shapes(Pod) for name in fields_of(shape)}

    seen = {name for golden in GOLDENS for name in fields_set(decoded(golden))}

    assert known - seen == NEEDS_A_DRIVER | {"Pod.api_version", "Pod.kind"}


NEEDS_A_DRIVER = {
    f"Volume.{name}"
    for name in (
        *("aws_elastic_block_store", "azure_disk", "azure_file", "cephfs", "cinder", "fc"),
        *("flex_volume", "flocker", "gce_persistent_disk", "glusterfs", "iscsi"),
        *("photon_persistent_disk", "portworx_volume", "quobyte", "rbd", "storageos"),
        "vsphere_volume",
    )
}


def shapes(kind: Any) -> set[type[Shape]]:
    """The shape and all that are inside it."""
    if isinstance(kind, type) and issubclass(kind, Shape):
        inside = (shapes(field.type) for field in msgspec.structs.fields(kind))
        return {kind}.union(*inside)
    return set().union(*(shapes(part) for part in get_args(kind)))


def fields_of(shape: type[Shape]) -> list[str]:
    return [f"{owner(shape, name)}.{name}" for name in shape.__struct_fields__]


def owner(shape: type[Shape], name: str) -> str:
    """The class that brought the field in: containers of all kinds share most of theirs."""
    bases = [base for base in reversed(shape.mro()) if issubclass(base, Shape)]
    return next(base.__name__ for base in bases if name in base.__struct_fields__)


def fields_set(value: object) -> Iterator[str]:
    if isinstance(value, tuple):
        for one in value:
            yield from fields_set(one)
    elif isinstance(value, Shape):
        for field in msgspec.structs.fields(value):
            inner = getattr(value, field.name)
            if inner != field.default and inner != {}:
                yield f"{owner(type(value), field.name)}.{field.name}"
            yield from fields_set(inner)


def test_fields_of_a_newer_api_server_are_dropped() -> None:
    pod = msgspec.json.decode(b'{"spec": {"teleport": true, "nodeName": "a"}}', type=Pod)

    assert pod.spec == PodSpec(node_name="a")


def test_words_of_a_newer_api_server_are_kept() -> None:
    pod = msgspec.json.decode(b'{"spec": {"restartPolicy": "Sometimes"}}', type=Pod)

    assert pod.spec.restart_policy == "Sometimes"


def test_times_that_are_not_set_come_as_null() -> None:
    text = b'{"metadata": {"creationTimestamp": null}, "status": {"conditions": [%s]}}'
    condition = b'{"type": "Ready", "status": "True", "lastProbeTime": null}'

    pod = msgspec.json.decode(text % condition, type=Pod)

    assert pod.metadata.creation_timestamp is None
    assert pod.status.conditions[0].last_probe_time is None


def test_a_projected_volume_without_sources_comes_with_a_null() -> None:
    text = b'{"spec": {"volumes": [{"name": "a", "projected": {"sources": null}}]}}'

    volume = msgspec.json.decode(text, type=Pod).spec.volumes[0]

    assert volume.projected is not None
    assert volume.projected.sources is None


def test_a_pod_always_says_what_it_is() -> None:
    assert json.loads(msgspec.json.encode(Pod())) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {},
        "spec": {},
        "status": {},
    }


def test_a_container_that_never_ran_says_so_in_full() -> None:
    status = ContainerStatus(name="web", ready=False, restart_count=0, image="", image_id="")

    assert json.loads(msgspec.json.encode(status)) == {
        "name": "web",
        "ready": False,
        "restartCount": 0,
        "image": "",
        "imageID": "",
    }


def test_false_and_zero_are_told_from_not_set() -> None:
    spec = PodSpec(termination_grace_period_seconds=0, enable_service_links=False)

    assert json.loads(msgspec.json.encode(spec)) == {
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
    }


def test_shapes_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Pod().spec = PodSpec()  # type: ignore[misc] # that is the point


def test_a_pod_is_known_by_its_key_and_its_uid() -> None:
    pod = Pod(metadata=ObjectMeta(name="web", namespace="shop", uid="1-2"))

    assert (pod.key, pod.uid) == (PodKey("shop/web"), PodUID("1-2"))
    assert (pod.name, pod.namespace) == ("web", "shop")


def test_all_containers_come_in_the_order_in_which_they_start() -> None:
    spec = PodSpec(
        containers=(Container(name="b"),),
        init_containers=(Container(name="a"),),
        ephemeral_containers=(EphemeralContainer(name="c"),),
    )

    assert [container.name for container in spec.all_containers()] == ["a", "b", "c"]


def test_the_status_of_a_pod_without_one_is_empty() -> None:
    assert msgspec.json.decode(b"{}", type=Pod).status == PodStatus()
