"""The unit of `deploy/`, as it is, under a real systemd: what runs outlives the service."""

import contextlib
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.cluster import Cluster
from tests.support.processes import status
from tests.support.systemd import PROGRAM, Systemd
from tests.support.until import PATIENCE_S, until
from tests.support.walled import capabilities

pytestmark = [
    pytest.mark.root,
    pytest.mark.allow_skip("machines without systemd cannot run its units"),
]

_UNIT: Final = Path(__file__).parents[2] / "deploy" / "krustlet.service"
_NODE: Final = "unit-node"
_DATA: Final = "/var/lib/krustlet"
_WATCHDOG_S: Final = 3
_USER: Final = 12345
_GROUP: Final = 3456


@pytest.fixture(scope="module")
def systemd(
    cluster: Cluster, certs: Path, runtime_class: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Systemd]:
    """A machine with the service, which runs."""
    if not PROGRAM.exists():
        pytest.skip("needs systemd: install the package systemd")
    directory = tmp_path_factory.mktemp("unit")
    command = directory / "krustlet"
    source = Path(__file__).parents[2] / "src"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={source} exec {sys.executable} -m krustlet "$@"\n')
    command.chmod(0o755)
    settings = {
        "KUBECONFIG": cluster.node_kubeconfig(_NODE),
        "KRUSTLET_NODE_NAME": _NODE,
        "KRUSTLET_PORT": random.randrange(20_000, 30_000),
        "KRUSTLET_REGISTRY_CERTS_DIR": certs,
        "KRUSTLET_CONFIG": "/etc/krustlet/config.yaml",
    }
    files: dict[str, str | Path] = {
        "krustlet.service": _UNIT,
        "krustlet.service.d/sooner.conf": f"[Service]\nWatchdogSec={_WATCHDOG_S}\nRestartSec=1\n",
        "/opt/krustlet/bin/krustlet": command,
        "/etc/krustlet/krustlet.env": "".join(f"{k}={v}\n" for k, v in settings.items()),
        "/etc/krustlet/config.yaml": "maxPods: 20\n",
    }
    with Systemd.start(
        directory / "systemd", files=files, kept={_DATA: directory / "data"}
    ) as systemd:
        systemd.run("systemctl", "start", "krustlet")
        yield systemd
        systemd.run("systemctl", "stop", "krustlet")
    by_force = ("--force", "--grace-period=0", "--wait=false")
    cluster.kubectl("delete", "pods", "-A", f"--field-selector=spec.nodeName={_NODE}", *by_force)
    cluster.kubectl("delete", "node", _NODE, "--wait=false")


def main_pid(systemd: Systemd) -> int:
    """As that machine counts."""
    return int(systemd.shows("krustlet", "MainPID"))


def is_ready(cluster: Cluster) -> bool:
    conditions = cluster.get(f"/api/v1/nodes/{_NODE}")["status"]["conditions"]
    return ("Ready", "True") in [(one["type"], one["status"]) for one in conditions]


def process_of(pod: Any) -> int:
    """The container's, as this machine counts."""
    mark = f"/pod{pod['metadata']['uid']}/app-0\n"

    def found() -> int:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_ours = mark in (process / "cgroup").read_text()
                if is_ours and _USER in map(int, status(int(process.name))["Uid"].split()):
                    return int(process.name)
        return 0

    return until(found)


def a_tenant(bench: Bench, name: str, image: str, *args: str) -> Any:
    """A pod that runs, with all that takes rights to make: a user, a group, a limit, tmpfs."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    mounts = [("secret", "/secret"), ("fast", "/fast"), ("data", "/data")]
    pod = a_pod(
        name,
        image,
        nodeName=_NODE,
        container={
            "args": list(args),
            "resources": {"limits": {"memory": "128Mi"}},
            "volumeMounts": [{"name": volume, "mountPath": at} for volume, at in mounts],
        },
        hostname="tenant",
        securityContext={"runAsUser": _USER, "fsGroup": _GROUP},
        volumes=[
            {"name": "secret", "secret": {"secretName": name}},
            {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "data", "emptyDir": {}},
        ],
    )
    bench.apply({**secret, "stringData": {"door": "open"}}, pod)
    return bench.until_phase(name, "Running")


def test_the_start_is_over_when_the_node_is_ready(systemd: Systemd, cluster: Cluster) -> None:
    systemd.run("systemctl", "restart", "krustlet")
    assert is_ready(cluster)
    assert systemd.shows("krustlet", "ActiveState") == "active"
    assert systemd.shows("krustlet", "Type").startswith("notify")
    assert systemd.shows("krustlet", "StatusText")


def test_all_walls_of_a_container_stand(systemd: Systemd, bench: Bench, images: Images) -> None:
    """What the unit takes away from the node, the node does not need for them."""
    pod = a_tenant(bench, "walled", images("ticks"), "10000", "50")
    pid = process_of(pod)
    facts = status(pid)
    assert set(map(int, facts["Groups"].split())) == {_GROUP}
    assert not any(capabilities(pid).values())
    assert facts["NoNewPrivs"] == "1"
    root = Path(f"/proc/{pid}/root")
    assert (root / "secret" / "door").read_text() == "open"
    assert (root / "data").stat().st_mode & 0o7777 == 0o2777
    assert not (root / "usr").exists()
    said = systemd.said()
    assert "node.starting" in said
    assert "cgroups." not in said  # limits: none is missing


def test_secrets_are_for_the_node_alone_and_logs_for_whoever_collects_them(
    systemd: Systemd,
) -> None:
    def mode(path: str) -> int:
        return systemd.path(path).stat().st_mode & 0o777

    assert mode(_DATA) == 0o700
    assert mode("/var/log/pods") == 0o755


def test_what_runs_goes_on_through_a_restart(
    systemd: Systemd, bench: Bench, images: Images
) -> None:
    pod = a_tenant(bench, "lasting", images("ticks"), "10000", "20")
    before, pid = container_of(pod), process_of(pod)
    systemd.run("systemctl", "restart", "krustlet")
    after = container_of(bench.pod("lasting"))
    assert after["containerID"] == before["containerID"]
    assert after["restartCount"] == 0
    assert process_of(pod) == pid
    lines = bench.logs("lasting").splitlines()
    assert lines == [f"tick {i}" for i in range(len(lines))]


def test_a_node_sees_what_an_earlier_one_has_mounted_and_the_other_way_round(
    systemd: Systemd, bench: Bench, images: Images
) -> None:
    """The supervisor is of the earlier one: what the new one mounts is for it to hand on."""
    early = a_tenant(bench, "early", images("ticks"), "10000", "50")
    systemd.run("systemctl", "restart", "krustlet")
    late = a_tenant(bench, "late", images("ticks"), "10000", "50")
    for pod in (early, late):
        assert "/fast " in _in_memory(process_of(pod))
        assert _of(pod) in _in_memory(1, of=systemd)
        bench.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    until(lambda: not bench.pods())
    for pod in (early, late):
        assert _of(pod) not in _in_memory(1, of=systemd)


def _of(pod: Any) -> str:
    return f"{_DATA}/pods/{pod['metadata']['uid']}/"


def _in_memory(pid: int, *, of: Systemd | None = None) -> str:
    """What is mounted in memory, as the process sees it: of this machine, or of that one."""
    file = f"/proc/{pid}/mountinfo"
    text = of.run("cat", file) if of is not None else Path(file).read_text()
    return "\n".join(line for line in text.splitlines() if " - tmpfs " in line)


def test_somebody_can_be_let_into_a_container_that_an_earlier_node_has_left(
    systemd: Systemd, bench: Bench, images: Images
) -> None:
    a_tenant(bench, "visited", images("ticks"), "10000", "50")
    systemd.run("systemctl", "restart", "krustlet")
    said = systemd.run(
        "/opt/krustlet/bin/krustlet", "exec", "visited", "-n", bench.namespace,
        "--data-dir", _DATA, "--", "ticks", "2", "1",
    )  # fmt: skip
    assert said == "tick 0\ntick 1\n"


@pytest.mark.parametrize(
    ("number", "result", "said"),
    [
        pytest.param(signal.SIGKILL, "killed", "", id="is-killed"),
        pytest.param(signal.SIGSTOP, "hangs", "Fatal Python error: Aborted", id="hangs"),
    ],
)
def test_one_that_dies_comes_back_and_finds_its_containers(
    systemd: Systemd,
    bench: Bench,
    images: Images,
    number: signal.Signals,
    result: str,
    said: str,
) -> None:
    pod = a_tenant(bench, result, images("ticks"), "10000", "50")
    pid, before = process_of(pod), main_pid(systemd)
    restarts = int(systemd.shows("krustlet", "NRestarts"))
    systemd.run("kill", f"-{number.name.removeprefix('SIG')}", str(before))
    until(
        lambda: (
            systemd.shows("krustlet", "ActiveState") == "active"
            and main_pid(systemd) not in (before, 0)
        ),
        within_s=PATIENCE_S + _WATCHDOG_S,
    )
    assert int(systemd.shows("krustlet", "NRestarts")) == restarts + 1
    assert said in systemd.said()  # where it hung, too
    assert process_of(pod) == pid
    assert container_of(bench.pod(result))["restartCount"] == 0


def test_a_reload_is_said_to_be_over_and_what_came_of_it(
    systemd: Systemd, cluster: Cluster
) -> None:
    before = main_pid(systemd)
    systemd.path("/etc/krustlet/config.yaml").write_text("maxPods: 21\n")
    systemd.run("systemctl", "reload", "krustlet")
    until(lambda: "max_pods" in systemd.shows("krustlet", "StatusText"))
    assert systemd.shows("krustlet", "ActiveState") == "active"
    assert main_pid(systemd) == before
    until(
        lambda: cluster.get(f"/api/v1/nodes/{_NODE}")["status"]["capacity"]["pods"] == "21",
    )


def test_a_stop_leaves_the_containers_and_says_so(
    systemd: Systemd, bench: Bench, images: Images
) -> None:
    pod = a_tenant(bench, "left", images("ticks"), "10000", "50")
    pid = process_of(pod)
    systemd.run("systemctl", "stop", "krustlet")
    assert systemd.shows("krustlet", "ActiveState") == "inactive"
    assert systemd.shows("krustlet", "Result") == "success"
    log = next(systemd.path("/var/log/pods").glob(f"{bench.namespace}_left_*/app/0.log"))
    ticks = log.read_text().count("tick")
    until(lambda: log.read_text().count("tick") > ticks)
    systemd.run("systemctl", "start", "krustlet")
    assert process_of(pod) == pid
