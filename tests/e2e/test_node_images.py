"""Images that cannot be had: said so that it helps, and mended by itself."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.cluster import Cluster
from tests.support.controlplane import Programs
from tests.support.krustlet_node import KrustletNode
from tests.support.registry import Registry
from tests.support.until import until

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_FAILED = ("ErrImagePull", "ImagePullBackOff")
_USER, _PASSWORD = "puller", "of-images-7f3a"


@pytest.fixture(scope="module")
def private(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, certs: Path
) -> Iterator[Registry]:
    """A registry that asks who one is."""
    directory = tmp_path_factory.mktemp("private")
    users = {_USER: _PASSWORD}
    with Registry.start(directory / "all", users=users, programs=programs) as registry:
        (certs / registry.address).mkdir()
        (certs / registry.address / "ca.crt").write_bytes(registry.ca.read_bytes())
        yield registry


def test_a_missing_image_is_waited_for(
    node: KrustletNode, bench: Bench, images: Images, registry: Registry
) -> None:
    image = f"{registry.address}/late/{bench.namespace}:v1"
    bench.apply(a_pod("late", image))
    said = bench.until_waiting("late", *_FAILED)
    assert "not found" in said["message"]
    assert bench.until_waiting("late", "ImagePullBackOff")["message"].startswith(
        f'Back-off pulling image "{image}"'
    )
    registry.push(f"late/{bench.namespace}", "v1", images.module("hello"))
    bench.until_phase("late", "Succeeded")
    assert bench.logs("late") == "Hello, world!\n"


def test_a_wrong_digest_is_never_run(node: KrustletNode, bench: Bench, registry: Registry) -> None:
    bench.apply(a_pod("wrong", f"{registry.address}/hello@sha256:{'0' * 64}"))
    said = bench.until_waiting("wrong", *_FAILED)
    assert "not found" in said["message"]
    assert bench.phase("wrong") == "Pending"


def test_a_private_image_needs_the_pods_secret(
    node: KrustletNode, bench: Bench, images: Images, private: Registry
) -> None:
    private.push("hello", "v1", images.module("hello"))
    image = f"{private.address}/hello:v1"
    bench.apply(a_pod("anonymous", image))
    bench.until_waiting("anonymous", *_FAILED)
    until(lambda: "imagePullSecrets" in bench.describe("anonymous"))

    auths = {"auths": {private.address: {"username": _USER, "password": _PASSWORD}}}
    bench.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json.dumps(auths)},
        },
        a_pod("allowed", image, imagePullSecrets=[{"name": "pull"}]),
    )
    bench.until_phase("allowed", "Succeeded")
    assert _PASSWORD not in node.said()


def test_a_linux_image_waits_and_makes_no_storm(
    cluster: Cluster, node: KrustletNode, bench: Bench, registry: Registry
) -> None:
    """As of DaemonSets that tolerate everything: a proxy, a log collector."""
    registry.push("linux", "v1", b"\x1f\x8b no wasm", media_type=_LAYER)
    bench.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "proxy"},
            "spec": {
                "selector": {"matchLabels": {"app": "proxy"}},
                "template": {
                    "metadata": {"labels": {"app": "proxy"}},
                    "spec": {
                        "tolerations": [{"operator": "Exists"}],
                        "containers": [{"name": "proxy", "image": f"{registry.address}/linux:v1"}],
                    },
                },
            },
        }
    )
    until(lambda: bench.pods())
    name = next(
        pod["metadata"]["name"] for pod in bench.pods() if pod["spec"]["nodeName"] == node.name
    )
    assert "wasm" in bench.until_waiting(name, *_FAILED)["message"]
    said = bench.until_waiting(name, "ImagePullBackOff")
    assert "wasm" in said["message"]
    until(lambda: _told(bench, name))
    uid = bench.pod(name)["metadata"]["uid"]
    bench.until_waiting(name, "ErrImagePull")  # the second try, ten seconds later
    bench.until_waiting(name, "ImagePullBackOff")
    assert len(_told(bench, name)) == 1
    pod = bench.pod(name)
    assert (pod["metadata"]["uid"], pod["status"]["phase"]) == (uid, "Pending")
    assert container_of(pod)["restartCount"] == 0


def _told(bench: Bench, name: str) -> list[str]:
    """What the kubelet has told in events."""
    return [e["message"] for e in bench.events(name) if e["source"].get("component") == "kubelet"]
