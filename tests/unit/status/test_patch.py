"""A patch turns what the server has into what is so, and touches nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from krustlet.objects import ContainerStatus, HostIP, PodCondition, PodIP, PodStatus
from krustlet.status.patch import status_patch


def _condition(kind: str = "Ready", status: str = "True", **fields: str) -> PodCondition:
    return PodCondition(type=kind, status=status, **fields)  # type: ignore[arg-type]


def test_what_is_so_already_needs_no_patch() -> None:
    status = PodStatus(phase="Running", conditions=(_condition(),))
    assert status_patch("u", status, status) is None


def test_only_what_has_changed_is_sent_and_the_uid_with_it() -> None:
    before = PodStatus(phase="Pending", host_ip="10.0.0.1")
    after = PodStatus(phase="Running", host_ip="10.0.0.1")
    assert status_patch("u", before, after) == {
        "metadata": {"uid": "u"},
        "status": {"phase": "Running"},
    }


def test_what_is_no_longer_so_is_cleared() -> None:
    patch = status_patch("u", PodStatus(reason="Evicted", message="no room"), PodStatus())
    assert patch is not None
    assert patch["status"] == {"reason": None, "message": None}


def test_the_reason_of_a_condition_that_holds_again_is_cleared() -> None:
    before = PodStatus(conditions=(_condition(status="False", reason="ContainersNotReady"),))
    after = PodStatus(conditions=(_condition(last_transition_time="2026-01-01T00:00:00Z"),))
    patch = status_patch("u", before, after)
    assert patch is not None
    [condition] = patch["status"]["conditions"]
    assert condition["reason"] is None
    assert condition["status"] == "True"
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_conditions_and_fields_of_others_are_left_alone() -> None:
    others = _condition("example.com/gate")
    before = PodStatus(
        conditions=(others, _condition(status="False")),
        qos_class="BestEffort",
        nominated_node_name="there",
    )
    patch = status_patch("u", before, PodStatus(conditions=(_condition(),)))
    assert patch is not None
    assert set(patch["status"]) == {"conditions"}
    assert [c["type"] for c in patch["status"]["conditions"]] == ["Ready"]


def test_addresses_replace_those_of_before() -> None:
    before = PodStatus(pod_ips=(PodIP(ip="10.0.0.1"),), host_ips=(HostIP(ip="10.0.0.1"),))
    after = PodStatus(pod_ips=(PodIP(ip="10.0.0.2"),), host_ips=(HostIP(ip="10.0.0.1"),))
    patch = status_patch("u", before, after)
    assert patch is not None
    assert patch["status"] == {"podIPs": [PodIP(ip="10.0.0.2"), {"$patch": "replace"}]}


def test_container_statuses_go_as_a_whole() -> None:
    one, two = (
        ContainerStatus(name=name, ready=True, restart_count=0, image="i", image_id="")
        for name in "ab"
    )
    patch = status_patch("u", PodStatus(), PodStatus(container_statuses=(one, two)))
    assert patch is not None
    assert patch["status"] == {"containerStatuses": (one, two)}


_statuses = st.builds(
    PodStatus,
    phase=st.sampled_from(["", "Pending", "Running"]),
    reason=st.sampled_from(["", "r"]),
    host_ip=st.sampled_from(["", "10.0.0.1"]),
    observed_generation=st.integers(0, 2),
)


@given(_statuses, _statuses)
def test_applied_it_gives_what_is_so(before: PodStatus, after: PodStatus) -> None:
    patch = status_patch("u", before, after)
    changes = patch["status"] if patch else {}
    for name, key in {
        "phase": "phase",
        "reason": "reason",
        "host_ip": "hostIP",
        "observed_generation": "observedGeneration",
    }.items():
        applied = changes.get(key, getattr(before, name)) or type(getattr(after, name))()
        assert applied == getattr(after, name)
