"""Many pods, and those that controllers make."""

from tests.e2e.conftest import Images
from tests.support.bench import RUNTIME_CLASS, Bench, a_pod
from tests.support.krustlet_node import KrustletNode
from tests.support.until import until, until_not

_MANY = 200


def _template(name: str, image: str, **spec: object) -> dict[str, object]:
    container = {"name": "app", "image": image, **dict(spec.pop("container", {}))}  # type: ignore[call-overload]
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"runtimeClassName": RUNTIME_CLASS, "containers": [container], **spec},
    }


def test_a_deployment_becomes_available_and_replaces_what_is_deleted(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": _template("web", images("sleep")),
            },
        }
    )

    def available() -> int:
        return int(bench.get("deployment", "web")["status"].get("availableReplicas", 0))

    until(lambda: available() == 3)
    victim = bench.pods()[0]["metadata"]["name"]
    bench.kubectl("delete", "pod", victim)
    until(lambda: available() == 3 and bench.pod(victim) is None)
    assert bench.kubectl("delete", "deployment", "web", "--cascade=foreground").code == 0
    until_not(bench.pods)


def test_a_job_completes(node: KrustletNode, bench: Bench, images: Images) -> None:
    bench.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "sum"},
            "spec": {
                "completions": 4,
                "parallelism": 2,
                "template": _template("sum", images("hello"), restartPolicy="Never"),
            },
        }
    )
    until(lambda: bool(bench.get("job", "sum")["status"].get("succeeded") == 4))
    assert bench.kubectl("delete", "job", "sum").code == 0
    until_not(bench.pods)


def test_two_hundred_pods_at_once_all_run_and_nothing_is_left_of_them(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    names = [f"many-{i}" for i in range(_MANY)]
    before = _left_of_pods(node)
    image = images("sleep")
    bench.apply(*[a_pod(name, image, automountServiceAccountToken=False) for name in names])

    def running() -> bool:
        phases = [pod["status"].get("phase") for pod in bench.pods()]
        return phases.count("Running") == _MANY

    until(running, within_s=120)
    assert bench.kubectl("delete", "pods", "--all", "--wait=false").code == 0
    until_not(bench.pods, within_s=120)
    until(lambda: _left_of_pods(node) == before)


def _left_of_pods(node: KrustletNode) -> tuple[int, list[str], list[str]]:
    """Processes, directories of pods, and mounts."""
    kept = sorted(path.name for path in (node.data / "pods").glob("*"))
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        mounted = [line for line in mounts if str(node.data) in line]
    return len(node.processes()), kept, mounted
