"""What every pod of a cluster carries, and what it may ask for."""

import json

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod
from tests.support.krustlet_node import KrustletNode
from tests.support.until import until

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def _config_map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _secret(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def test_a_service_account_is_where_clients_look_for_it(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    args = [f"{_ACCOUNT}/{name}" for name in ("namespace", "ca.crt", "token")]
    bench.apply(a_pod("account", images("cat"), container={"args": args}))
    bench.until_phase("account", "Succeeded")
    said = bench.logs("account")
    assert said.startswith(bench.namespace)
    assert "BEGIN CERTIFICATE" in said
    assert said.rpartition("\n")[2].count(".") == 2


def test_config_maps_and_secrets_are_mounted(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    mounts = [
        {"name": "config", "mountPath": "/etc/config"},
        {"name": "secret", "mountPath": "/etc/secret"},
    ]
    bench.apply(
        _config_map("settings", colour="green"),
        _secret("keys", door="open"),
        a_pod(
            "reader",
            images("cat"),
            container={
                "args": ["/etc/config/colour", "/etc/secret/door"],
                "volumeMounts": mounts,
            },
            volumes=[
                {"name": "config", "configMap": {"name": "settings"}},
                {"name": "secret", "secret": {"secretName": "keys"}},
            ],
        ),
    )
    bench.until_phase("reader", "Succeeded")
    assert bench.logs("reader") == "greenopen"


def test_a_missing_config_map_is_waited_for(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(
        a_pod(
            "waiting",
            images("cat"),
            container={
                "args": ["/etc/config/colour"],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
            },
            volumes=[{"name": "config", "configMap": {"name": "late"}}],
        )
    )

    def told() -> bool:
        return any(
            event["reason"] == "FailedMount" and 'configmap "late" not found' in event["message"]
            for event in bench.events("waiting")
        )

    until(told)
    assert bench.phase("waiting") == "Pending"
    bench.apply(_config_map("late", colour="blue"))
    bench.until_phase("waiting", "Succeeded")
    assert bench.logs("waiting") == "blue"


def test_the_environment_comes_from_objects_and_fields(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    def field(name: str, path: str) -> dict[str, object]:
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    bench.apply(
        _config_map("settings", colour="green"),
        _secret("keys", door="open"),
        a_pod(
            "env",
            images("args"),
            container={
                "env": [
                    {
                        "name": "COLOUR",
                        "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}},
                    },
                    {
                        "name": "DOOR",
                        "valueFrom": {"secretKeyRef": {"name": "keys", "key": "door"}},
                    },
                    field("NAME", "metadata.name"),
                    field("NAMESPACE", "metadata.namespace"),
                    field("NODE", "spec.nodeName"),
                    field("IP", "status.podIP"),
                ],
                "envFrom": [{"prefix": "ALL_", "configMapRef": {"name": "settings"}}],
            },
        ),
    )
    pod = bench.until_phase("env", "Succeeded")
    lines = bench.logs("env").splitlines()
    assert {
        "ALL_colour=green",
        "COLOUR=green",
        "DOOR=open",
        "NAME=env",
        f"NAMESPACE={bench.namespace}",
        f"NODE={node.name}",
        f"IP={pod['status']['podIP']}",
    } <= set(lines), json.dumps(lines)


def test_a_missing_key_is_a_configuration_error_until_it_is_there(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    reference = {"configMapKeyRef": {"name": "later", "key": "colour"}}
    env = [{"name": "COLOUR", "valueFrom": reference}]
    bench.apply(a_pod("later", images("args"), container={"env": env}))
    said = bench.until_waiting("later", "CreateContainerConfigError")
    assert said["message"] == 'configmap "later" not found'
    bench.apply(_config_map("later", colour="red"))
    bench.until_phase("later", "Succeeded")
    assert "COLOUR=red" in bench.logs("later")
