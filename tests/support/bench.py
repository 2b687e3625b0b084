"""A namespace of a cluster for one test to work in, with kubectl, as a user would."""

import json
from collections.abc import Sequence
from typing import Any, Final

from tests.support.cluster import Cluster
from tests.support.command import Result
from tests.support.until import PATIENCE_S, until

RUNTIME_CLASS: Final = "krustlet"
TOLERATIONS: Final = [{"key": "kubernetes.io/arch", "operator": "Equal", "value": "wasm32-wasi"}]
SELECTOR: Final = {"kubernetes.io/arch": "wasm32-wasi"}
_OVER: Final = ("Succeeded", "Failed")


class Bench:
    """All that a test makes lies in `namespace`, which goes afterwards."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._must("create", "namespace", namespace)
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        until(lambda: cluster.get(path))  # without it no pod is let in

    def close(self) -> None:
        self.cluster.kubectl(
            "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false",
            "-n", self.namespace,
        )  # fmt: skip
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def kubectl(self, *arguments: str, stdin: str = "") -> Result:
        return self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def _must(self, *arguments: str, stdin: str = "") -> str:
        result = self.cluster.kubectl(*arguments, stdin=stdin)
        assert result.code == 0, result.stderr
        return result.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        result = self.kubectl("apply", "-f", "-", stdin=json.dumps(items))
        assert result.code == 0, result.stderr

    def get(self, kind: str, name: str) -> Any:
        """The object, or None if there is none of that name."""
        result = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        assert result.code == 0, result.stderr
        return json.loads(result.stdout) if result.stdout else None

    def pod(self, name: str) -> Any:
        return self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods/{name}")

    def pods(self) -> list[Any]:
        found = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods")
        return list(found["items"])

    def phase(self, name: str) -> str:
        pod = self.pod(name)
        return str(pod["status"].get("phase", "")) if pod is not None else "Gone"

    def until_phase(self, name: str, *phases: str, within_s: float = PATIENCE_S) -> Any:
        """The pod once it is in one of them."""
        until(lambda: self._shown(name, phases), within_s=within_s)
        return self.pod(name)

    def _shown(self, name: str, phases: Sequence[str]) -> bool:
        phase = self.phase(name)
        if phase in _OVER and phase not in phases:
            raise AssertionError(f"{name} is {phase}: {self.describe(name)}")
        return phase in phases

    def until_waiting(self, name: str, *reasons: str, within_s: float = PATIENCE_S) -> Any:
        """What the pod's only container says while it waits for one of `reasons`."""

        def waiting() -> Any:
            state = container_of(self.pod(name)).get("state", {})
            said = state.get("waiting")
            return said if said and said.get("reason") in reasons else None

        return until(waiting, within_s=within_s)

    def describe(self, name: str) -> str:
        return self.kubectl("describe", "pod", name).stdout

    def logs(self, name: str, *flags: str) -> str:
        result = self.kubectl("logs", name, *flags)
        assert result.code == 0, result.stderr
        return result.stdout

    def events(self, name: str) -> list[Any]:
        """Those about the object of that name."""
        found = self.cluster.get(
            f"/api/v1/namespaces/{self.namespace}/events?fieldSelector=involvedObject.name%3D{name}"
        )
        return list(found["items"])


def a_pod(name: str, image: str, *, by_class: bool = True, **spec: Any) -> dict[str, Any]:
    """A pod of one container `app`, run once, that finds its way to a wasm node.

    Args:
        by_class: by its RuntimeClass; else by tolerations and a node selector.
        spec: of the pod, or in `container` of the container.
    """
    container = {"name": "app", "image": image, **spec.pop("container", {})}
    placed: dict[str, Any] = {"runtimeClassName": RUNTIME_CLASS}
    if not by_class:
        placed = {"tolerations": TOLERATIONS, "nodeSelector": SELECTOR}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [container], **placed, **spec},
    }


def container_of(pod: Any) -> Any:
    """The status of the pod's only container; empty while there is none."""
    if pod is None:
        return {}
    statuses = pod["status"].get("containerStatuses", [])
    return statuses[0] if statuses else {}
