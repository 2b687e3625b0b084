"""What a pod may be told of itself."""

import pytest

from krustlet.objects import (
    Addresses,
    Container,
    FieldUnknown,
    ObjectMeta,
    Pod,
    PodSpec,
    Quantity,
    ResourceFieldSelector,
    ResourceRequirements,
    allocatable_to,
    container_named,
    field_value,
    resource_value,
)

POD = Pod(
    metadata=ObjectMeta(
        name="web",
        namespace="shop",
        uid="u-1",
        labels={"tier": "front", "app": "web"},
        annotations={"example.com/note": 'two\nlines and "quotes"', "a": "\x01é\u200b"},
    ),
    spec=PodSpec(node_name="n1", service_account_name="seller"),
)
BOTH = Addresses(host_ips=("10.0.0.7", "fd00::7"), pod_ips=("10.1.0.3", "fd01::3"))
NODE = {
    "cpu": Quantity("2"),
    "memory": Quantity("4Gi"),
    "ephemeral-storage": Quantity("10Gi"),
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels", 'app="web"\ntier="front"'),
        ("metadata.labels['tier']", "front"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['example.com/note']", 'two\nlines and "quotes"'),
        (
            "metadata.annotations",
            'a="\\x01é\\u200b"\nexample.com/note="two\\nlines and \\"quotes\\""',
        ),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "seller"),
        ("status.hostIP", "10.0.0.7"),
        ("status.hostIPs", "10.0.0.7,fd00::7"),
        ("status.podIP", "10.1.0.3"),
        ("status.podIPs", "10.1.0.3,fd01::3"),
    ],
)
def test_a_field_is_told_as_the_kubelet_tells_it(path: str, value: str) -> None:
    assert field_value(POD, path, BOTH) == value


@pytest.mark.parametrize("path", ["metadata", "spec.containers", "metadata.finalizers['x']", ""])
def test_another_field_is_refused(path: str) -> None:
    with pytest.raises(FieldUnknown, match="unsupported fieldPath"):
        field_value(POD, path, BOTH)


@pytest.mark.parametrize(
    "path", ["status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"]
)
def test_an_address_that_nobody_knows_is_no_empty_text(path: str) -> None:
    with pytest.raises(FieldUnknown, match="is not known here"):
        field_value(POD, path, Addresses())


# resources --------------------------------------------------------------------------------------

BUSY = Container(
    name="busy",
    resources=ResourceRequirements(
        limits={"cpu": Quantity("1500m"), "memory": Quantity("64Mi")},
        requests={"cpu": Quantity("10m"), "ephemeral-storage": Quantity("1G")},
    ),
)


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        pytest.param("limits.cpu", None, "2", id="cores-are-rounded-up"),
        pytest.param("limits.cpu", "0", "2", id="no-divisor-is-one"),
        pytest.param("limits.cpu", "1m", "1500", id="millicores"),
        pytest.param("limits.memory", None, "67108864", id="bytes"),
        pytest.param("limits.memory", "1Mi", "64", id="mebibytes"),
        pytest.param("limits.memory", "1M", "68", id="megabytes-are-rounded-up"),
        pytest.param("limits.ephemeral-storage", "1Gi", "10", id="no-limit-is-what-the-node-has"),
        pytest.param("requests.cpu", None, "1", id="a-little-is-one"),
        pytest.param("requests.memory", None, "0", id="no-request-is-nothing"),
        pytest.param("requests.ephemeral-storage", "1k", "1000000", id="a-request"),
        pytest.param("limits.hugepages-2Mi", None, "0", id="huge-pages-are-never-the-nodes"),
    ],
)
def test_an_amount_is_told_in_divisors(resource: str, divisor: str | None, value: str) -> None:
    selector = ResourceFieldSelector(
        resource=resource, divisor=None if divisor is None else Quantity(divisor)
    )
    assert resource_value(BUSY, selector, NODE) == value


@pytest.mark.parametrize("resource", ["limits.gpu", "cpu", "", "limits.", "usage.cpu"])
def test_another_resource_is_refused(resource: str) -> None:
    with pytest.raises(FieldUnknown, match="unsupported container resource"):
        resource_value(BUSY, ResourceFieldSelector(resource=resource), NODE)


def test_no_limit_on_a_node_that_tells_nothing_is_an_error_and_not_zero() -> None:
    with pytest.raises(FieldUnknown, match="no limit for memory") as refused:
        resource_value(Container(name="c"), ResourceFieldSelector(resource="limits.memory"), {})
    assert refused.value.hint == "set resources.limits.memory"


def test_the_pod_as_a_whole_lowers_what_its_containers_may_have() -> None:
    limits = {"cpu": Quantity("1"), "memory": Quantity("0"), "example.com/gpu": Quantity("1")}
    spec = PodSpec(resources=ResourceRequirements(limits=limits))
    assert allocatable_to(spec, NODE) == {**NODE, "cpu": Quantity("1")}
    assert allocatable_to(PodSpec(), NODE) == NODE


def test_a_container_is_found_among_apps_and_inits() -> None:
    spec = PodSpec(init_containers=(Container(name="first"),), containers=(BUSY,))
    assert container_named(spec, "busy") is BUSY
    assert container_named(spec, "first").name == "first"
    with pytest.raises(FieldUnknown, match="container other not found"):
        container_named(spec, "other")
