"""The kernel of this machine does what it is asked, in whichever version it has."""

import contextlib
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.cgroups import Cgroups, Group, GroupBusy, LimitRefused, Limits, detect
from tests.component.cgroups.members import member
from tests.support.ordinary_user import as_ordinary_user
from tests.support.until import until

pytestmark = pytest.mark.root

MIB = 1024 * 1024


@contextlib.contextmanager
def a_tree() -> Iterator[Cgroups]:
    cgroups = detect(f"krustlet-test-{uuid.uuid4().hex[:8]}")
    places = [Path(file).parents[1] for file in cgroups.group("a").procs]
    assert all(place.is_dir() for place in places)
    try:
        yield cgroups
    finally:
        for path in reversed(cgroups.below()):
            cgroups.remove(path, within_s=60)
        cgroups.close()
        assert not any(place.exists() for place in places)


@pytest.fixture
def cgroups() -> Iterator[Cgroups]:
    with a_tree() as tree:
        yield tree


def oom_kills(group: Group) -> int:
    found = re.search(r"^oom_kill (\d+)$", Path(group.oom_file).read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_all_controllers_are_there_and_a_process_is_in_each(cgroups: Cgroups) -> None:
    assert cgroups.missing == ()
    group = cgroups.make("pod/web", Limits())
    with member(group) as web:
        assert group.pids() == (web.pid,)
        its_groups = Path(f"/proc/{web.pid}/cgroup").read_text()
        assert its_groups.count("/pod/web\n") == len(group.procs)


def test_too_much_memory_ends_a_process_and_is_counted(cgroups: Cgroups) -> None:
    group = cgroups.make("pod/web", Limits(memory_bytes=48 * MIB), ends_whole=True)
    beside = cgroups.make("pod/db", Limits(memory_bytes=48 * MIB))
    with member(group) as web, member(beside) as db:
        assert web.does("use(8)") == "held"
        assert oom_kills(group) == 0
        assert web.does("use(64)") == ""
        assert web.ends() == -signal.SIGKILL
        assert (oom_kills(group), oom_kills(beside)) == (1, 0)
        assert db.does("use(8)") == "held"


def test_a_pod_holds_its_containers_together(cgroups: Cgroups) -> None:
    cgroups.make("pod", Limits(memory_bytes=64 * MIB))
    web, db = (cgroups.make(f"pod/{name}", Limits()) for name in ("web", "db"))
    with member(web) as first, member(db) as second:
        assert first.does("use(24)") == "held"
        assert second.does("use(60)") == ""
        assert second.ends() == -signal.SIGKILL  # it has most
        assert (oom_kills(web), oom_kills(db)) == (0, 1)


def test_what_is_used_is_counted(cgroups: Cgroups) -> None:
    group = cgroups.make("pod/web", Limits())
    before = group.usage()
    assert before is not None
    with member(group) as web:
        web.does("use(32)")
        web.does("burn(0.3)")
        web.does("fork(2)")
        used = group.usage()
        of_the_pod = cgroups.group("pod").usage()
    assert used is not None
    assert of_the_pod is not None
    assert before.at < used.at
    assert 0.1e9 < used.cpu_ns < 5e9
    assert 32 * MIB <= used.rss_bytes < 96 * MIB
    assert used.rss_bytes <= used.working_set_bytes <= used.memory_bytes
    assert used.page_faults > 1000
    assert used.pids == of_the_pod.pids == 3
    assert of_the_pod.cpu_ns >= used.cpu_ns


def test_processor_time_stays_below_the_quota(cgroups: Cgroups) -> None:
    group = cgroups.make("pod/web", Limits(cpu_quota_us=10_000))
    with member(group) as web:
        before = float(web.does("time.process_time()"))
        spent = float(web.does("burn(1)")) - before
    assert 0 < spent < 0.25  # a tenth; the last period may be overdrawn


def test_shares_divide_a_processor_that_two_want(cgroups: Cgroups) -> None:
    much = cgroups.make("much", Limits(cpu_shares=2048))
    little = cgroups.make("little", Limits(cpu_shares=102))
    with member(much) as first, member(little) as second:
        for one in (first, second):
            one.begins("burn_on_one_processor(1.5)")
        assert float(first.answers()) > 3 * float(second.answers())


def test_no_more_processes_than_allowed(cgroups: Cgroups) -> None:
    group = cgroups.make("pod/web", Limits(pids=5))
    with member(group) as web:
        assert web.does("fork(20)") == "4"
        group.update(Limits(pids=8))
        assert web.does("fork(20)") == "3"


def test_limits_of_a_running_group_change(cgroups: Cgroups) -> None:
    group = cgroups.make("pod/web", Limits(memory_bytes=32 * MIB, cpu_quota_us=10_000))
    with member(group) as web:
        group.update(Limits(memory_bytes=96 * MIB))
        assert web.does("use(48)") == "held"
        before = float(web.does("time.process_time()"))
        assert float(web.does("burn(0.5)")) - before > 0.1  # no quota any more
        with pytest.raises(LimitRefused, match="below current usage"):
            group.update(Limits(memory_bytes=40 * MIB, pids=1))
        assert web.does("fork(1)") == "1"
        assert web.does("use(8)") == "held"
        group.update(Limits(memory_bytes=80 * MIB))
        assert web.does("use(64)") == ""
        assert web.ends() == -signal.SIGKILL


def test_limits_are_lifted(cgroups: Cgroups) -> None:
    limits = Limits(memory_bytes=32 * MIB, cpu_shares=2, cpu_quota_us=10_000, pids=1)
    group = cgroups.make("pod/web", limits)
    with member(group) as web:
        cgroups.make("pod/web", Limits())
        assert web.does("use(48)") == "held"
        assert web.does("fork(1)") == "1"
        before = float(web.does("time.process_time()"))
        assert float(web.does("burn(0.5)")) - before > 0.1


def test_a_larger_quota_than_the_pods_is_refused_or_does_not_help(cgroups: Cgroups) -> None:
    pod = cgroups.make("pod", Limits(cpu_quota_us=20_000))
    too_much = Limits(cpu_quota_us=50_000, memory_bytes=64 * MIB)
    if cgroups.version == 2:
        assert cgroups.make("pod/web", too_much).usage() is not None
        return
    with pytest.raises(LimitRefused, match=r"cpu\.cfs_quota_us cannot be 50000"):
        cgroups.make("pod/web", too_much)
    assert cgroups.below() == ["pod"]
    web = cgroups.make("pod/web", Limits(cpu_quota_us=20_000, memory_bytes=32 * MIB))
    with pytest.raises(LimitRefused):
        web.update(too_much)
    limits = [Path(file).parent for file in web.procs]
    found = {
        file.name: file.read_text().strip()
        for place in limits
        for file in (*place.glob("memory.*limit_in_bytes"), *place.glob("cpu.cfs_*_us"))
    }
    assert found["memory.limit_in_bytes"] == str(32 * MIB)
    assert found.get("memory.memsw.limit_in_bytes", str(32 * MIB)) == str(32 * MIB)
    assert (found["cpu.cfs_quota_us"], found["cpu.cfs_period_us"]) == ("20000", "100000")
    pod.update(Limits(cpu_quota_us=50_000))
    web.update(too_much)


def test_a_pod_and_its_container_grow_and_shrink_together(cgroups: Cgroups) -> None:
    def has(quota_us: int) -> bool:
        places = [Path(file).parent for path in both for file in cgroups.group(path).procs]
        name = "cpu.max" if cgroups.version == 2 else "cpu.cfs_quota_us"
        found = [int((p / name).read_text().split()[0]) for p in places if (p / name).exists()]
        return found == [quota_us, quota_us]

    both = ("pod", "pod/web")
    for path in both:
        cgroups.make(path, Limits(cpu_quota_us=20_000, memory_bytes=64 * MIB))
    for quota_us in (50_000, 10_000, 30_000):
        limits = Limits(cpu_quota_us=quota_us, memory_bytes=64 * MIB)
        cgroups.update(dict.fromkeys(both, limits))
        assert has(quota_us)
    with member(cgroups.group("pod/web")) as web:
        assert web.does("use(32)") == "held"
        for quota_us in (10_000, 50_000):
            too_little = Limits(cpu_quota_us=quota_us, memory_bytes=16 * MIB)
            enough = Limits(cpu_quota_us=quota_us, memory_bytes=64 * MIB)
            with pytest.raises(LimitRefused, match="below current usage"):
                cgroups.update({"pod": enough, "pod/web": too_little})
            assert has(30_000)


def test_a_group_of_running_processes_is_not_removed(cgroups: Cgroups) -> None:
    group = cgroups.make("pod/web", Limits())
    cgroups.make("pod/db", Limits())
    with member(group) as web:
        with pytest.raises(GroupBusy, match=str(web.pid)) as raised:
            cgroups.remove("pod", within_s=0.05)
        assert raised.value.pids == (web.pid,)
        assert cgroups.below() == ["pod", "pod/web"]
        web.kill()
        cgroups.remove("pod", within_s=60)
    assert cgroups.below() == []


def test_two_nodes_do_not_see_each_others_groups(cgroups: Cgroups) -> None:
    with a_tree() as theirs:
        theirs.make("pod/web", Limits())
        assert cgroups.below() == []
        cgroups.make("pod/web", Limits())
        cgroups.remove("pod")
        assert theirs.below() == ["pod", "pod/web"]


def test_what_a_killed_node_left_is_found_by_the_next(cgroups: Cgroups) -> None:
    name = Path(cgroups.group("a").procs[0]).parents[1].name
    script = (
        "import os; from krustlet.cgroups import Limits, detect;"
        f"detect({name!r}).make('burstable/pod/web', Limits(pids=3)); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert cgroups.below() == ["burstable", "burstable/pod", "burstable/pod/web"]
    cgroups.remove("burstable")
    until(lambda: cgroups.below() == [])


def test_an_ordinary_user_is_told_what_is_missing() -> None:
    script = (
        "from krustlet.cgroups import CgroupsUnavailable, detect\n"
        "try:\n    detect('krustlet-test-of-a-user')\n"
        "except CgroupsUnavailable as exc:\n    print(exc.message); print(exc.hint)\n"
    )
    told = subprocess.run(
        [*as_ordinary_user(()), "/", sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    assert "Permission denied" in told
    assert "root" in told
