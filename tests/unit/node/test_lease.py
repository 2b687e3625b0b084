"""The lease is renewed four times within its duration, whatever happens to it."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from krustlet.kube import ApiError, ApiUnavailable, Conflict, Forbidden, TooManyRequests
from krustlet.objects import Lease, OwnerReference
from tests.support.virtual_time import in_virtual_time
from tests.unit.node.conftest import Logged
from tests.unit.node.fakes import FakeLeases, Rig

UNAVAILABLE = ApiUnavailable("connection refused")


def lease_of(leases: FakeLeases) -> Lease:
    assert leases.lease is not None
    return leases.lease


@in_virtual_time
async def test_it_is_made_where_there_is_none() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(1)

    lease = lease_of(rig.leases)
    assert lease.metadata.name == "wasm-1"
    assert lease.metadata.owner_references == (
        OwnerReference(api_version="v1", kind="Node", name="wasm-1", uid="uid-1"),
    )
    assert lease.spec.holder_identity == "wasm-1"
    assert lease.spec.lease_duration_seconds == 40
    assert lease.spec.renew_time == "2026-01-01T00:00:00.000000Z"
    assert [call.verb for call in rig.leases.calls] == ["get", "create"]


@in_virtual_time
async def test_it_is_renewed_every_ten_seconds_with_one_request() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(3601)

    assert rig.leases.times("replace") == [10.0 * turn for turn in range(1, 361)]
    assert len(rig.leases.times("get")) == 1
    assert lease_of(rig.leases).spec.renew_time == "2026-01-01T01:00:00.000000Z"


@pytest.mark.parametrize(("luck", "every_s"), [(0.0, 9.6), (1.0, 10.4)])
def test_nodes_do_not_all_renew_at_the_same_time(luck: float, every_s: float) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        rig.luck = luck
        async with rig.running():
            await asyncio.sleep(60)
        steps = [b - a for a, b in itertools.pairwise(rig.leases.times("replace"))]
        assert steps == [pytest.approx(every_s)] * len(steps)

    run()


@in_virtual_time
async def test_one_that_was_there_before_is_taken_over() -> None:
    rig = Rig(lease_duration_s=20)
    async with rig.running():
        await asyncio.sleep(1)
    acquired = replace(lease_of(rig.leases).spec, acquire_time="2020-01-01T00:00:00.000000Z")
    rig.leases.lease = replace(lease_of(rig.leases), spec=acquired)
    rig.settings = replace(rig.settings, lease_duration_s=40)
    rig.agent = rig.new_agent()

    async with rig.running():
        await asyncio.sleep(1)

    spec = lease_of(rig.leases).spec
    assert (spec.lease_duration_seconds, spec.acquire_time) == (40, acquired.acquire_time)
    assert spec.renew_time == "2026-01-01T00:00:01.000000Z"


@in_virtual_time
async def test_one_that_others_changed_is_read_again_and_renewed_at_once() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.leases.change()
        await asyncio.sleep(10)

    assert rig.leases.times("replace") == [10, 20, 20]
    assert lease_of(rig.leases).spec.renew_time == "2026-01-01T00:00:20.000000Z"


@in_virtual_time
async def test_one_that_others_deleted_is_made_again() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.leases.lease = None
        await asyncio.sleep(10)

    assert rig.leases.times("create") == [0, 20]
    assert lease_of(rig.leases).metadata.owner_references[0].uid == "uid-1"


@in_virtual_time
async def test_it_belongs_to_the_node_that_came_back() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.nodes.delete()
        await asyncio.sleep(10)

    assert [one.uid for one in lease_of(rig.leases).metadata.owner_references] == ["uid-2"]


@in_virtual_time
async def test_it_is_tried_five_times_then_at_the_next_turn(logged: Logged) -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.leases.trouble = UNAVAILABLE
        await asyncio.sleep(20)
        tries = [at for at in rig.leases.times("replace") if at > 15]
        rig.leases.trouble = None
        await asyncio.sleep(10)

    assert tries == [20, 20.2, 20.6, 21.4, 23.0, 30, 30.2, 30.6, 31.4, 33.0]
    assert rig.leases.times("replace")[-1] == 40
    said = [entry["event"] for entry in logged if entry["event"].startswith("lease.")]
    assert said == ["lease.not_renewed", "lease.renewed_again"]


@in_virtual_time
async def test_a_connection_that_hangs_does_not_outlast_the_lease() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.leases.hangs = True
        await asyncio.sleep(10)
        rig.leases.hangs = False
        await asyncio.sleep(25)

    assert rig.leases.times("replace")[:3] == [10, 20, 35.2]
    assert lease_of(rig.leases).spec.renew_time == "2026-01-01T00:00:45.200000Z"


@in_virtual_time
async def test_a_node_api_that_hangs_does_not_delay_it() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.hangs = True
        rig.trouble = "anything"
        await asyncio.sleep(60)

    assert rig.leases.times("replace") == [10, 20, 30, 40, 50, 60]


@in_virtual_time
async def test_a_namespace_that_is_missing_is_complained_about(logged: Logged) -> None:
    rig = Rig()
    rig.leases.create = rig.leases.replace  # type: ignore[method-assign]  # as if nothing was found
    async with rig.running():
        await asyncio.sleep(5)

    assert [entry for entry in logged if entry["event"] == "lease.not_renewed"]


@in_virtual_time
async def test_none_is_made_that_would_be_nobodys() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.leases.lease = None
        rig.nodes.trouble = UNAVAILABLE
        rig.nodes.delete()
        await asyncio.sleep(60)
        assert rig.leases.lease is None
        rig.nodes.trouble = None
        await asyncio.sleep(20)

    assert lease_of(rig.leases).metadata.owner_references[0].uid == "uid-2"


@in_virtual_time
async def test_answers_that_take_ten_seconds_are_waited_for() -> None:
    rig = Rig()
    rig.leases.takes_s = 10.0
    async with rig.running():
        await asyncio.sleep(65)

    assert rig.leases.times("get") == [0]
    assert rig.leases.times("create") == [10]
    assert rig.leases.times("replace") == [20, 30, 40, 50, 60]


@pytest.mark.parametrize(
    ("retry_after_s", "tries"),
    [
        pytest.param(4, [20, 24, 28, 32, 36, 40, 44, 48], id="as-long-as-the-server-asks"),
        pytest.param(3600, [20, 30, 40], id="but-no-longer-than-to-the-next-turn"),
    ],
)
def test_a_server_with_too_much_to_do_is_left_alone(
    retry_after_s: float, tries: list[float], logged: Logged
) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        async with rig.running():
            await asyncio.sleep(15)
            rig.leases.trouble = TooManyRequests(
                "too many requests", status=429, retry_after_s=retry_after_s
            )
            await asyncio.sleep(34.5)
            tried = rig.leases.times("replace")[1:]
            rig.leases.trouble = None
            await asyncio.sleep(20)
        assert tried == tries
        assert (lease_of(rig.leases).spec.renew_time or "") >= "2026-01-01T00:00:50"

    run()
    said = [entry["event"] for entry in logged if entry["event"].startswith("lease.")]
    assert said == ["lease.not_renewed", "lease.renewed_again"]


@pytest.mark.parametrize(
    "trouble", [Forbidden("leases is forbidden", status=403), Conflict("changed", status=409)]
)
def test_a_node_whose_lease_alone_is_refused_goes_on_and_says_so_once(
    trouble: ApiError, logged: Logged
) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        async with rig.running():
            await asyncio.sleep(15)
            rig.leases.trouble = trouble
            await asyncio.sleep(600)
            reports = rig.nodes.times("patch_status")
            rig.leases.trouble = None
            await asyncio.sleep(10)
        assert len(reports) == 2
        assert (lease_of(rig.leases).spec.renew_time or "") >= "2026-01-01T00:10:15"

    run()
    said = [entry["event"] for entry in logged if entry["event"].startswith("lease.")]
    assert said == ["lease.not_renewed", "lease.renewed_again"]


@in_virtual_time
async def test_another_kind_of_trouble_is_told_too(logged: Logged) -> None:
    rig = Rig()
    async with rig.running():
        for trouble in (UNAVAILABLE, Forbidden("forbidden", status=403), UNAVAILABLE):
            rig.leases.trouble = trouble
            await asyncio.sleep(60)

    reasons = [entry["reason"] for entry in logged if entry["event"] == "lease.not_renewed"]
    assert reasons == ["connection refused", "forbidden"]
