"""Which control groups are found, and what is told where none can be had."""

import errno
import os
from collections.abc import Sequence

import pytest

from krustlet.cgroups import CgroupsUnavailable, Limits, detect
from tests.unit.cgroups.fake_kernel import FakeKernel, Hierarchy

ALL = ("cpuset", "cpu", "memory", "pids")


def split(*lists: str) -> FakeKernel:
    """Version 1: a hierarchy for each of `lists`, as `cpu,cpuacct`."""
    return FakeKernel(*(Hierarchy(1, f"/cg/{names}", names.split(",")) for names in lists))


def unified(controllers: Sequence[str] = ALL, *, own: str = "/", root: str = "/") -> FakeKernel:
    return FakeKernel(Hierarchy(2, "/cg", controllers, own=own, root=root))


def test_version_2_has_one_directory_and_hands_all_controllers_down() -> None:
    kernel = unified()
    cgroups = detect("krustlet/1a", files=kernel)
    assert (cgroups.version, cgroups.missing) == (2, ())
    assert kernel.groups["/cg/krustlet/1a"].handed_down == {"cpu", "memory", "pids"}
    assert cgroups.group("a").procs == ("/cg/krustlet/1a/a/cgroup.procs",)


def test_version_1_has_one_directory_for_controllers_that_are_mounted_together() -> None:
    kernel = split("memory", "cpu,cpuacct", "pids", "freezer")
    cgroups = detect("krustlet/1a", files=kernel)
    assert (cgroups.version, cgroups.missing) == (1, ())
    assert set(cgroups.group("a").procs) == {
        f"/cg/{mount}/krustlet/1a/a/tasks" for mount in ("memory", "cpu,cpuacct", "pids")
    }
    assert kernel.below("/cg/freezer") == []


def test_version_1_counts_for_a_group_what_those_below_it_use() -> None:
    kernel = split("memory")
    detect("krustlet/1a", files=kernel)
    assert kernel.groups["/cg/memory/krustlet/1a"].value("memory.use_hierarchy") == "1"


def test_the_version_with_more_controllers_is_used() -> None:
    old = [Hierarchy(1, f"/cg/{name}", [name]) for name in ("memory", "cpu", "pids")]
    assert detect("k", files=FakeKernel(*old, Hierarchy(2, "/cg/unified", ()))).version == 1
    assert detect("k", files=FakeKernel(Hierarchy(2, "/cg", ALL), *old)).version == 2
    mostly_new = FakeKernel(old[2], Hierarchy(2, "/cg/unified", ("memory", "cpu")))
    assert detect("k", files=mostly_new).version == 2


def test_controllers_that_cannot_be_had_are_named() -> None:
    assert detect("k", files=unified(("memory", "pids"))).missing == ("cpu",)
    assert detect("k", files=split("memory")).missing == ("cpu", "pids", "cpuacct")


def test_a_controller_that_is_refused_alone_is_missing_and_the_others_are_not() -> None:
    kernel = unified()
    kernel.refuses_text["+cpu"] = errno.EINVAL
    assert detect("k", files=kernel).missing == ("cpu",)


@pytest.mark.parametrize("version", [1, 2])
def test_where_the_top_is_not_ours_the_group_of_this_process_is_used(version: int) -> None:
    kernel = FakeKernel(Hierarchy(version, "/cg", ("memory",), own="/user/me/shell"))
    kernel.refuses |= dict.fromkeys(["/cg", "/cg/user"], errno.EACCES)
    if version == 1:
        detect("k", files=kernel)
        assert kernel.below("/cg/user/me/shell") == ["/cg/user/me/shell/k"]
        return
    # what is handed down to /user decides over what is below
    kernel.groups["/cg"].handed_down.add("memory")
    kernel.groups["/cg/user"].handed_down.add("memory")
    cgroups = detect("k", files=kernel)
    assert cgroups.group("a").procs == ("/cg/user/me/k/a/cgroup.procs",)


def test_a_process_that_is_alone_in_its_group_steps_aside() -> None:
    kernel = unified(root="/docker/12ab", own="/docker/12ab")
    cgroups = detect("k", files=kernel)
    assert cgroups.missing == ()
    assert kernel.groups["/cg"].pids == []
    assert kernel.groups["/cg/krustlet-itself"].pids == [os.getpid()]
    assert cgroups.group("a").procs == ("/cg/k/a/cgroup.procs",)


def test_a_group_that_other_processes_are_in_is_left_alone() -> None:
    kernel = unified(root="/docker/12ab", own="/docker/12ab")
    kernel.groups["/cg"].pids.append(1)
    with pytest.raises(CgroupsUnavailable, match="has other processes") as raised:
        detect("k", files=kernel)
    assert "DelegateSubgroup" in raised.value.hint
    assert kernel.below("/cg") == []
    assert kernel.groups["/cg"].pids == [os.getpid(), 1]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        pytest.param(errno.EACCES, "root", id="no-rights"),
        pytest.param(errno.EPERM, "root", id="no-rights-in-a-namespace"),
        pytest.param(errno.EROFS, "writable", id="mounted-read-only"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_why_nothing_can_be_made_is_told_with_what_would_help(
    version: int, number: int, hint: str
) -> None:
    kernel = unified() if version == 2 else split("memory", "cpu", "pids", "cpuacct")
    kernel.refuses = dict.fromkeys(kernel.groups, number)
    with pytest.raises(CgroupsUnavailable, match=os.strerror(number)) as raised:
        detect("k", files=kernel)
    assert hint in raised.value.hint
    assert kernel.written == []


@pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(FakeKernel(), id="none"),
        pytest.param(unified(("hugetlb",)), id="v2"),
        pytest.param(split("freezer", "cpuacct"), id="v1"),
    ],
)
def test_without_any_controller_that_limits_there_is_nothing(kernel: FakeKernel) -> None:
    with pytest.raises(CgroupsUnavailable) as raised:
        detect("k", files=kernel)
    assert raised.value.hint
    assert all(kernel.below(mount.directory) == [] for mount in kernel.hierarchies)


def test_a_system_without_proc_has_no_control_groups() -> None:
    class Elsewhere(FakeKernel):
        def read(self, path: str) -> str:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)

    with pytest.raises(CgroupsUnavailable):
        detect("k", files=Elsewhere())


def test_mount_points_with_spaces_are_found() -> None:
    kernel = FakeKernel(Hierarchy(2, "/my groups", ALL))
    assert detect("k", files=kernel).group("a").procs == ("/my groups/k/a/cgroup.procs",)


def test_a_group_out_of_sight_is_not_taken_for_our_own() -> None:
    memory = Hierarchy(1, "/cg", ("memory",), root="/docker/12")
    kernel = FakeKernel(memory, Hierarchy(1, "/cg3", ("freezer",)))
    memory.own = "/docker/123"  # begins with the same letters only
    kernel.refuses["/cg"] = errno.EACCES
    with pytest.raises(CgroupsUnavailable):
        detect("k", files=kernel)
    assert kernel.below("/cg3") == []


def test_found_again_the_groups_of_an_earlier_process_are_still_there() -> None:
    kernel = unified()
    detect("krustlet/1a", files=kernel).make("pod1/web", Limits())
    again = detect("krustlet/1a", files=kernel)
    assert again.below() == ["pod1", "pod1/web"]
    assert detect("krustlet/2b", files=kernel).below() == []


@pytest.mark.parametrize("version", [1, 2])
def test_closed_it_leaves_nothing_but_what_others_have(version: int) -> None:
    kernel = unified() if version == 2 else split("memory", "cpu")
    ours = detect("krustlet/1a", files=kernel)
    theirs = detect("krustlet/2b", files=kernel)
    ours.close()
    ours.close()
    assert not [path for path in kernel.groups if path.endswith("1a")]
    assert [path for path in kernel.groups if path.endswith("2b")]
    theirs.close()
    assert not [path for path in kernel.groups if "krustlet" in path]


def test_closed_with_groups_left_it_keeps_them() -> None:
    kernel = unified()
    cgroups = detect("krustlet/1a", files=kernel)
    cgroups.make("pod1", Limits())
    cgroups.close()
    assert cgroups.below() == ["pod1"]
