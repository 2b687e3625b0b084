"""What pods may use, enforced by the kernel and told to the cluster."""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.containers import Group, groups_of, process_of
from tests.support.krustlet_node import KrustletNode
from tests.support.registry import Registry
from tests.support.until import until, until_not
from tests.support.wasm_sources import binary

pytestmark = pytest.mark.root

_MIB: Final = 1 << 20
_GROWS: Final = "5"  # the way in which the guest `crash` is to end

# Writes to /cache/all for ever, a piece at a time; ends with 1 should a write fail.
_HOARDS: Final = """
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "cache/all")
  (func (export "_start")
    (if (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 9) (i32.const 1)
          (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 8))
      (then (call $exit (i32.const 2))))
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (i32.const 65536))
    (loop $again
      (br_if $again (i32.eqz
        (call $write (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 12)))))
    (call $exit (i32.const 1))))
"""


def _limited(memory: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"limits": {"memory": memory, "cpu": "500m"}}, **more}


def _ended(bench: Bench, name: str) -> Any:
    """How the pod's container ended, as `kubectl` shows it."""
    return container_of(bench.get("pod", name))["state"]["terminated"]


def test_a_guest_that_grows_beyond_its_limit_is_refused_memory_and_says_so(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("grows", images("crash"), container=_limited("64Mi", args=[_GROWS])))
    bench.until_phase("grows", "Failed")
    end = _ended(bench, "grows")
    assert (end["reason"], end["exitCode"]) == ("Error", 134)
    assert end["message"].startswith("memory exhausted, ")


def test_files_in_memory_beyond_the_limit_end_the_container_as_oom_killed(
    node: KrustletNode, bench: Bench, registry: Registry
) -> None:
    registry.push("hoards", "v1", binary(_HOARDS))
    cache = {"name": "cache", "emptyDir": {"medium": "Memory"}}
    mounts = [{"name": "cache", "mountPath": "/cache"}]
    image = f"{registry.address}/hoards:v1"
    bench.apply(
        a_pod("hoards", image, container=_limited("32Mi", volumeMounts=mounts), volumes=[cache])
    )
    bench.until_phase("hoards", "Failed")
    end = _ended(bench, "hoards")
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)
    assert "OOMKilled" in bench.kubectl("get", "pod", "hoards").stdout


def test_a_volume_in_memory_holds_no_more_than_it_may_and_nobody_is_killed_for_it(
    node: KrustletNode, bench: Bench, registry: Registry
) -> None:
    registry.push("hoards", "v1", binary(_HOARDS))
    cache = {"name": "cache", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}
    mounts = [{"name": "cache", "mountPath": "/cache"}]
    image = f"{registry.address}/hoards:v1"
    bench.apply(
        a_pod("full", image, container=_limited("64Mi", volumeMounts=mounts), volumes=[cache])
    )
    bench.until_phase("full", "Failed")
    end = _ended(bench, "full")
    assert (end["reason"], end["exitCode"]) == ("Error", 1)  # the guest's own: a write failed


def test_what_was_oom_killed_starts_again_and_says_why_it_had_ended(
    node: KrustletNode, bench: Bench, registry: Registry
) -> None:
    registry.push("hoards", "v1", binary(_HOARDS))
    cache = {"name": "cache", "emptyDir": {"medium": "Memory"}}
    mounts = [{"name": "cache", "mountPath": "/cache"}]
    bench.apply(
        a_pod(
            "again",
            f"{registry.address}/hoards:v1",
            container=_limited("32Mi", volumeMounts=mounts),
            volumes=[cache],
            restartPolicy="Always",
        )
    )
    bench.until_waiting("again", "CrashLoopBackOff")
    last = container_of(bench.pod("again"))["lastState"]["terminated"]
    assert (last["reason"], last["exitCode"]) == ("OOMKilled", 137)


def test_resources_of_a_pod_as_a_whole_hold_its_containers_together(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    whole = {"limits": {"cpu": "250m", "memory": "64Mi"}}
    bench.apply(a_pod("whole", images("sleep"), resources=whole))
    pod = bench.until_phase("whole", "Running")
    group = Group.of(process_of(node, pod))
    for each in (group, group.above):
        assert (each.memory_limit_bytes, each.cpu_quota_us) == (64 * _MIB, 25_000)
    assert pod["status"]["qosClass"] == "Guaranteed"


def test_a_processor_quota_holds_a_guest_that_spins(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    limits = {"resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}}
    bench.apply(a_pod("spins", images("spin"), container=limits))
    pid = process_of(node, bench.until_phase("spins", "Running"))
    group = Group.of(pid)
    until(lambda: group.times_throttled)
    begun_at, before_s = time.monotonic(), _processor_s(pid)
    time.sleep(1.0)
    used_s = _processor_s(pid) - before_s
    took_s = time.monotonic() - begun_at
    assert 0 < used_s < 0.1 * took_s + 0.1  # and one period's worth
    assert group.cpu_quota_us == 10_000


def _processor_s(pid: int) -> float:
    """Source: proc_pid_stat(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_each_class_of_service_has_its_place_and_its_weight(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    half = {"cpu": "500m", "memory": "64Mi"}
    asked: dict[str, tuple[dict[str, Any], str]] = {
        "nothing": ({}, "BestEffort"),
        "some": ({"requests": {"cpu": "100m"}}, "Burstable"),
        "all": ({"requests": half, "limits": half}, "Guaranteed"),
    }
    image = images("sleep")
    bench.apply(
        *[a_pod(name, image, container={"resources": given}) for name, (given, _) in asked.items()]
    )
    groups = {}
    for name, (_, quality) in asked.items():
        pod = bench.until_phase(name, "Running")
        assert pod["status"]["qosClass"] == quality
        groups[name] = Group.of(process_of(node, pod))
    assert groups["nothing"].cpu_weight < groups["some"].cpu_weight < groups["all"].cpu_weight
    assert "/besteffort/pod" in groups["nothing"].name
    assert not any("besteffort" in groups[name].name for name in ("some", "all"))
    assert groups["all"].memory_limit_bytes == 64 * _MIB
    assert groups["all"].above.memory_limit_bytes == 64 * _MIB  # the pod's


def test_containers_of_a_pod_have_groups_of_their_own_in_one_that_holds_them_together(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    pod = a_pod("two", images("sleep"), container=_limited("64Mi"))
    pod["spec"]["containers"].append(
        {"name": "other", "image": images("sleep"), **_limited("32Mi")}
    )
    bench.apply(pod)
    pod = bench.until_phase("two", "Running")
    first, second = (Group.of(process_of(node, pod, name)) for name in ("app", "other"))
    assert (first.memory_limit_bytes, second.memory_limit_bytes) == (64 * _MIB, 32 * _MIB)
    assert first.above.name == second.above.name
    assert first.above.memory_limit_bytes == 96 * _MIB
    assert first.above.cpu_quota_us == 100_000


def test_the_groups_of_a_deleted_pod_are_gone(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("brief", images("sleep"), container=_limited("64Mi")))
    pod = bench.until_phase("brief", "Running")
    process_of(node, pod)
    assert groups_of(pod)
    assert bench.kubectl("delete", "pod", "brief").code == 0
    until_not(lambda: groups_of(pod))


def test_what_is_limited_is_described(node: KrustletNode, bench: Bench, images: Images) -> None:
    bench.apply(a_pod("told", images("sleep"), container=_limited("64Mi")))
    status = container_of(bench.until_phase("told", "Running"))
    same = {"cpu": "500m", "memory": "64Mi"}
    assert status["resources"] == {"limits": same, "requests": same}, json.dumps(status)
    assert status["allocatedResources"] == same
    assert "QoS Class:                   Guaranteed" in bench.describe("told")
