"""Groups: made, held to limits, measured and removed, in either version."""

import errno
import os
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.cgroups import CgroupError, Cgroups, GroupBusy, LimitRefused, Limits, detect
from krustlet.cgroups.v2 import weight
from tests.unit.cgroups.fake_kernel import FakeKernel, Hierarchy

MIB = 1024 * 1024
V1 = ("memory", "cpu", "cpuacct", "pids")
MEMORY_1 = "/cg/memory/k/pod/web/memory.limit_in_bytes"
MEMSW_1 = "/cg/memory/k/pod/web/memory.memsw.limit_in_bytes"


def a_kernel(version: int, *, lacks: Collection[str] = ()) -> FakeKernel:
    if version == 2:
        return FakeKernel(Hierarchy(2, "/cg", ("cpu", "memory", "pids"), lacks=lacks))
    return FakeKernel(*(Hierarchy(1, f"/cg/{name}", (name,), lacks=lacks) for name in V1))


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def kernel(request: pytest.FixtureRequest) -> FakeKernel:
    return a_kernel(request.param)


@pytest.fixture
def cgroups(kernel: FakeKernel) -> Cgroups:
    return detect("k", files=kernel)


def values(kernel: FakeKernel, path: str) -> dict[str, str]:
    """What was written to the files of the group, wherever they are."""
    found: dict[str, str] = {}
    for directory, group in kernel.groups.items():
        if directory.endswith(f"/k/{path}"):
            found |= group.values
    return found


ALL_LIMITS = Limits(
    memory_bytes=64 * MIB, cpu_shares=512, cpu_quota_us=50_000, cpu_period_us=100_000, pids=10
)


def test_limits_of_a_new_group_in_version_1() -> None:
    kernel = a_kernel(1)
    detect("k", files=kernel).make("pod/web", ALL_LIMITS)
    assert values(kernel, "pod/web") == {
        "memory.limit_in_bytes": str(64 * MIB),
        "memory.memsw.limit_in_bytes": str(64 * MIB),
        "cpu.shares": "512",
        "cpu.cfs_quota_us": "50000",
        "pids.max": "10",
    }
    assert values(kernel, "pod") == {}


def test_limits_of_a_new_group_in_version_2() -> None:
    kernel = a_kernel(2)
    detect("k", files=kernel).make("pod/web", ALL_LIMITS, ends_whole=True)
    assert values(kernel, "pod/web") == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.weight": "59",
        "cpu.max": "50000 100000",
        "pids.max": "10",
    }
    assert values(kernel, "pod") == {}
    assert kernel.groups["/cg/k/pod"].handed_down == {"cpu", "memory", "pids"}
    assert kernel.groups["/cg/k/pod/web"].handed_down == set()


def test_a_new_group_without_limits_is_told_none(kernel: FakeKernel, cgroups: Cgroups) -> None:
    cgroups.make("pod/web", Limits())
    assert values(kernel, "pod/web") in ({}, {"memory.swap.max": "0"})


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, [("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "5000"), ("cpu.cfs_quota_us", "9")]),
        (2, [("cpu.max", "9 5000")]),
    ],
)
def test_another_period_never_stands_beside_a_quota_of_the_old_one(
    version: int, expected: list[tuple[str, str]]
) -> None:
    kernel = a_kernel(version)
    detect("k", files=kernel).make("a", Limits(cpu_quota_us=9, cpu_period_us=5000))
    written = [(path.rpartition("/")[2], text) for path, text in kernel.written]
    assert [pair for pair in written if pair[0].startswith(("cpu.cfs", "cpu.max"))] == expected


def test_made_again_a_group_has_the_new_limits_and_no_old_ones(
    kernel: FakeKernel, cgroups: Cgroups
) -> None:
    cgroups.make("pod/web", ALL_LIMITS)
    cgroups.make("pod/web", Limits(pids=20))
    now = values(kernel, "pod/web")
    expected = (
        {"memory.max": "max", "cpu.weight": "100", "cpu.max": "max 100000"}
        if cgroups.version == 2
        else {
            "memory.limit_in_bytes": "-1",
            "memory.memsw.limit_in_bytes": "-1",
            "cpu.shares": "1024",
            "cpu.cfs_quota_us": "-1",
        }
    )
    assert now | expected | {"pids.max": "20"} == now


@pytest.mark.parametrize(
    ("to", "order"),
    [
        pytest.param(128 * MIB, [MEMSW_1, MEMORY_1], id="raised-the-sum-goes-first"),
        pytest.param(32 * MIB, [MEMORY_1, MEMSW_1], id="lowered-it-goes-last"),
        pytest.param(None, [MEMSW_1, MEMORY_1], id="lifted-it-goes-first"),
    ],
)
def test_version_1_changes_memory_and_swap_in_the_order_the_kernel_takes(
    to: int | None, order: list[str]
) -> None:
    kernel = a_kernel(1)
    group = detect("k", files=kernel).make("pod/web", Limits(memory_bytes=64 * MIB))
    del kernel.written[:]
    group.update(Limits(memory_bytes=to))
    assert [path for path, _ in kernel.written if path in order] == order


@pytest.mark.parametrize("version", [1, 2])
def test_files_that_not_every_kernel_has_are_done_without(version: int) -> None:
    lacks = ("memory.memsw.limit_in_bytes", "memory.swap.max", "memory.oom.group")
    kernel = a_kernel(version, lacks=lacks)
    group = detect("k", files=kernel).make("a", ALL_LIMITS, ends_whole=True)
    group.update(Limits(memory_bytes=MIB))
    assert str(MIB) in values(kernel, "a").values()
    assert not values(kernel, "a").keys() & set(lacks)


def test_a_limit_that_a_kernel_has_no_file_for_is_an_error_and_no_group() -> None:
    kernel = a_kernel(1, lacks=["cpu.cfs_quota_us"])
    cgroups = detect("k", files=kernel)
    with pytest.raises(CgroupError, match="cfs_quota_us"):
        cgroups.make("a", ALL_LIMITS)
    assert cgroups.below() == []


def test_limits_of_missing_controllers_are_left_out() -> None:
    kernel = FakeKernel(Hierarchy(2, "/cg", ("pids",)))
    group = detect("k", files=kernel).make("a", ALL_LIMITS, ends_whole=True)
    group.update(Limits(memory_bytes=1, pids=20))
    assert values(kernel, "a") == {"pids.max": "20"}
    assert group.oom_file == ""


def test_memory_is_not_limited_below_what_is_used(kernel: FakeKernel, cgroups: Cgroups) -> None:
    group = cgroups.make("a", Limits(memory_bytes=64 * MIB, pids=5))
    before = values(kernel, "a")
    in_use = "memory.current" if cgroups.version == 2 else "memory.usage_in_bytes"
    for fake in kernel.groups.values():
        fake.values[in_use] = str(40 * MIB)
    with pytest.raises(LimitRefused, match=f"{32 * MIB} is below current usage {40 * MIB}"):
        group.update(Limits(memory_bytes=32 * MIB, pids=9))
    assert values(kernel, "a") == before | {in_use: str(40 * MIB)}
    group.update(Limits(memory_bytes=48 * MIB, pids=9))
    assert str(48 * MIB) in values(kernel, "a").values()


def test_refused_one_limit_a_group_keeps_all_it_had(kernel: FakeKernel, cgroups: Cgroups) -> None:
    group = cgroups.make("a", ALL_LIMITS)
    before = values(kernel, "a")
    kernel.refuses_text["666"] = errno.EINVAL
    with pytest.raises(LimitRefused, match="666") as raised:
        group.update(Limits(memory_bytes=MIB, cpu_shares=2, cpu_quota_us=7, pids=666))
    assert raised.value.hint
    after = values(kernel, "a")
    assert {name: after[name] for name in before} == before


def test_refused_a_limit_of_one_group_all_of_them_keep_theirs(
    kernel: FakeKernel, cgroups: Cgroups
) -> None:
    for path in ("pod", "pod/db", "pod/web"):
        cgroups.make(path, ALL_LIMITS)
    before = {path: values(kernel, path) for path in cgroups.below()}
    kernel.refuses_text["666"] = errno.EINVAL
    less = Limits(memory_bytes=MIB, cpu_quota_us=9, pids=2)
    for path in before:
        with pytest.raises(LimitRefused, match=f"'{path}'"):
            cgroups.update(dict.fromkeys(before, less) | {path: Limits(pids=666)})
        after = {path: values(kernel, path) for path in before}
        assert {path: after[path] | before[path] for path in before} == after
    cgroups.update(dict.fromkeys(before, less))
    assert all(values(kernel, path)["pids.max"] == "2" for path in before)


def test_a_new_group_that_is_refused_a_limit_is_not_there(
    kernel: FakeKernel, cgroups: Cgroups
) -> None:
    kernel.refuses_text["666"] = errno.EINVAL
    with pytest.raises(LimitRefused):
        cgroups.make("pod/web", Limits(memory_bytes=MIB, pids=666))
    assert cgroups.below() == ["pod"]


def test_a_group_that_cannot_be_made_is_an_error(kernel: FakeKernel, cgroups: Cgroups) -> None:
    kernel.refuses = dict.fromkeys(kernel.groups, errno.ENOSPC)
    with pytest.raises(CgroupError, match=r"'pod/web'.*No space left"):
        cgroups.make("pod/web", Limits())


def test_a_group_that_is_gone_uses_nothing_and_cannot_be_changed(cgroups: Cgroups) -> None:
    group = cgroups.group("never/made")
    assert group.usage() is None
    assert group.pids() == ()
    with pytest.raises(CgroupError, match="never/made"):
        group.update(Limits(pids=1))


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "cpu.max", "a b", "a\n"])
def test_a_path_that_leads_elsewhere_is_a_bug(cgroups: Cgroups, path: str) -> None:
    for call in (cgroups.group, cgroups.remove):
        with pytest.raises(ValueError, match="not a path"):
            call(path)
    with pytest.raises(ValueError, match="not a path"):
        cgroups.make(path, Limits())


# what is used -----------------------------------------------------------------------------------


def test_usage_in_version_1() -> None:
    kernel = a_kernel(1)
    group = detect("k", files=kernel).make("a", Limits())
    kernel.groups["/cg/cpuacct/k/a"].values["cpuacct.usage"] = "123456789"
    kernel.groups["/cg/pids/k/a"].values["pids.current"] = "3"
    kernel.groups["/cg/memory/k/a"].values |= {
        "memory.usage_in_bytes": "1000",
        "memory.stat": "cache 7\ninactive_file 1\ntotal_rss 600\ntotal_inactive_file 300\n"
        "total_pgfault 42\ntotal_pgmajfault 2\n",
    }
    used = group.usage()
    assert used is not None
    assert (used.cpu_ns, used.memory_bytes, used.working_set_bytes) == (123456789, 1000, 700)
    assert (used.rss_bytes, used.page_faults, used.major_page_faults) == (600, 42, 2)
    assert used.pids == 3
    assert group.oom_file == "/cg/memory/k/a/memory.oom_control"


def test_usage_in_version_2() -> None:
    kernel = a_kernel(2)
    group = detect("k", files=kernel).make("a", Limits())
    kernel.groups["/cg/k/a"].values |= {
        "cpu.stat": "usage_usec 1234\nuser_usec 1000\n",
        "pids.current": "3",
        "memory.current": "1000",
        "memory.stat": "anon 600\ninactive_file 300\npgfault 42\npgmajfault 2\n",
    }
    used = group.usage()
    assert used is not None
    assert (used.cpu_ns, used.memory_bytes, used.working_set_bytes) == (1234000, 1000, 700)
    assert (used.rss_bytes, used.page_faults, used.major_page_faults) == (600, 42, 2)
    assert used.pids == 3
    assert group.oom_file == "/cg/k/a/memory.events"


def test_a_working_set_is_never_negative(kernel: FakeKernel, cgroups: Cgroups) -> None:
    group = cgroups.make("a", Limits())
    for fake in kernel.groups.values():
        fake.values["memory.stat"] = "total_inactive_file 9\ninactive_file 9\n"
    used = group.usage()
    assert used is not None
    assert used.working_set_bytes == 0


@pytest.mark.parametrize("version", [1, 2])
def test_without_its_controllers_processes_are_counted_all_the_same(version: int) -> None:
    kernel = FakeKernel(Hierarchy(version, "/cg", ("cpu",)))
    group = detect("k", files=kernel).make("a", Limits())
    kernel.groups["/cg/k/a"].pids += [7, 8]
    used = group.usage()
    assert used is not None
    assert (used.memory_bytes, used.pids) == (0, 2)


# the weight of shares ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "expected"),
    [  # Source: github.com/opencontainers/cgroups v0.0.6, utils_test.go
        (1, 1),
        (2, 1),
        (3, 2),
        (1024, 100),
        (262143, 10000),
        (262144, 10000),
        (262145, 10000),
    ],
)
def test_weight(shares: int, expected: int) -> None:
    assert weight(shares) == expected


@given(st.integers(2, 262_144), st.integers(2, 262_144))
def test_more_shares_never_weigh_less(one: int, other: int) -> None:
    assert (weight(min(one, other)) <= weight(max(one, other))) is True
    assert 1 <= weight(one) <= 10_000


# removing ---------------------------------------------------------------------------------------


def test_removed_a_group_takes_all_below_it_along(kernel: FakeKernel, cgroups: Cgroups) -> None:
    for path in ("burstable/pod1/web", "burstable/pod1/db", "burstable/pod2/web"):
        cgroups.make(path, Limits())
    assert cgroups.below("burstable/pod1") == ["burstable/pod1/db", "burstable/pod1/web"]
    cgroups.remove("burstable/pod1")
    cgroups.remove("burstable/pod1")
    assert cgroups.below() == ["burstable", "burstable/pod2", "burstable/pod2/web"]


def test_what_is_left_in_one_hierarchy_only_is_found_and_removed() -> None:
    kernel = a_kernel(1)
    cgroups = detect("k", files=kernel)
    cgroups.make("pod/web", Limits())
    kernel.remove_directory("/cg/memory/k/pod/web")
    assert cgroups.below() == ["pod", "pod/web"]
    cgroups.remove("pod")
    assert cgroups.below() == []


def test_a_group_with_processes_stays_and_what_is_beside_it_goes(
    kernel: FakeKernel, cgroups: Cgroups
) -> None:
    busy = cgroups.make("pod/busy", Limits())
    cgroups.make("pod/idle", Limits())
    kernel.groups[os.path.dirname(busy.procs[0])].pids.append(77)
    with pytest.raises(GroupBusy) as raised:
        cgroups.remove("pod", within_s=0)
    assert (raised.value.path, raised.value.pids) == ("pod/busy", (77,))
    assert cgroups.below() == ["pod", "pod/busy"]
    assert busy.pids() == (77,)


def test_a_process_that_is_ending_is_waited_for(kernel: FakeKernel, cgroups: Cgroups) -> None:
    group = cgroups.make("a", Limits())
    fake = kernel.groups[os.path.dirname(group.procs[0])]
    fake.pids.append(77)
    asked: list[str] = []
    remove = kernel.remove_directory

    def remove_at_the_third(path: str) -> None:
        asked.append(path)
        if len(asked) == 3:
            fake.pids.clear()
        remove(path)

    kernel.remove_directory = remove_at_the_third  # type: ignore[method-assign]  # the process ends
    cgroups.remove("a", within_s=10)
    assert cgroups.below() == []


def test_a_parent_that_others_remove_meanwhile_is_made_again(
    kernel: FakeKernel, cgroups: Cgroups
) -> None:
    make = kernel.make_directory
    removed: list[str] = []

    def make_after_a_removal(path: str) -> None:
        if path.endswith("pod/web") and os.path.dirname(path) in kernel.groups and not removed:
            removed.append(path)
            kernel.remove_directory(os.path.dirname(path))
        make(path)

    kernel.make_directory = make_after_a_removal  # type: ignore[method-assign]  # another's remove
    cgroups.make("pod/web", Limits())
    assert removed
    assert cgroups.below() == ["pod", "pod/web"]
