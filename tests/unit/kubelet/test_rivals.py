"""No two kubelets are one node: not on two machines, and not on one."""

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from krustlet.base import DirectoryInUse, Instant
from krustlet.kube import ApiError, ApiUnavailable, Forbidden, NotFound
from krustlet.kubelet import rivals
from krustlet.kubelet.rivals import NameTaken, only_node_called, refuse_rival
from krustlet.objects import (
    Lease,
    LeaseSpec,
    Node,
    NodeAddress,
    NodeCondition,
    NodeStatus,
    NodeSystemInfo,
    to_rfc3339_micro,
)
from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time

OURS, THEIRS = "8f1c", "beef"
INFO: Final = NodeSystemInfo(
    machine_id=THEIRS,
    system_uuid="",
    boot_id="",
    kernel_version="",
    os_image="",
    container_runtime_version="",
    kubelet_version="",
    kube_proxy_version="",
    operating_system="linux",
    architecture="amd64",
)


def a_node(machine_id: str = THEIRS, *, ready: str = "True") -> Node:
    return Node(
        status=NodeStatus(
            node_info=replace(INFO, machine_id=machine_id),
            addresses=(
                NodeAddress(type="InternalIP", address="192.0.2.9"),
                NodeAddress(type="Hostname", address="other"),
            ),
            conditions=(NodeCondition(type="Ready", status=ready),),
        )
    )


class Server:
    """One node and its lease.

    Attributes:
        renewals: when the lease is renewed, in seconds of the loop; each with its time of day, as
            the other machine's clock has it.
        troubles: one after the other, in place of an answer.
    """

    def __init__(self, node: Node | None, *renewals: tuple[float, float], **spec: Any) -> None:
        self.node = node
        self.renewals = renewals
        self.spec = {"lease_duration_seconds": 40, **spec}
        self.troubles: list[Exception] = []
        self.lease_troubles: list[Exception] = []

    @property
    def nodes(self) -> "Nodes":
        return Nodes(self)

    @property
    def leases(self) -> "Leases":
        return Leases(self)


class Nodes:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def get(self) -> Node:
        if self._server.troubles:
            raise self._server.troubles.pop(0)
        if self._server.node is None:
            raise NotFound("no such node", status=404)
        return self._server.node


class Leases:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def get(self) -> Lease:
        if self._server.lease_troubles:
            raise self._server.lease_troubles.pop(0)
        now = asyncio.get_running_loop().time()
        renewed = [at for when, at in self._server.renewals if when <= now]
        if not renewed:
            raise NotFound("no such lease", status=404)
        time = to_rfc3339_micro(Instant(EPOCH + renewed[-1]))
        return Lease(spec=LeaseSpec(**{"renew_time": time, **self._server.spec}))


async def meet(server: Server, *, machine_id: str = OURS) -> float:
    """After how many seconds there was nobody else."""
    await refuse_rival(
        server.nodes, server.leases, machine_id=machine_id, name="edge-1", clock=LoopClock()
    )
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("server", "machine_id"),
    [
        pytest.param(Server(None), OURS, id="there-is-no-such-node"),
        pytest.param(Server(a_node(OURS), (0, 0)), OURS, id="it-is-our-own"),
        pytest.param(Server(a_node(""), (0, 0)), OURS, id="it-does-not-say-whose-it-is"),
        pytest.param(Server(a_node(), (0, 0)), "", id="we-do-not-know-who-we-are"),
        pytest.param(Server(Node(), (0, 0)), OURS, id="nobody-was-there-yet"),
        pytest.param(Server(a_node()), OURS, id="it-has-no-lease"),
        pytest.param(
            Server(a_node(), (0, 0), renew_time=None), OURS, id="its-lease-was-never-renewed"
        ),
        pytest.param(
            Server(a_node(ready="Unknown"), (0, -3600)), OURS, id="the-cluster-has-given-it-up"
        ),
    ],
)
def test_with_nobody_else_there_it_goes_on_at_once(server: Server, machine_id: str) -> None:
    @in_virtual_time
    async def story() -> None:
        assert await meet(server, machine_id=machine_id) == 0

    story()


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(Server(a_node(), (0, 0)), id="just-now"),
        pytest.param(Server(a_node(), (0, -39)), id="a-moment-ago"),
        pytest.param(
            Server(a_node(), (0, -100), lease_duration_seconds=300), id="a-lease-that-holds-longer"
        ),
        pytest.param(Server(a_node(ready="Unknown"), (0, -5)), id="it-has-just-come-back"),
    ],
)
def test_a_node_whose_lease_was_renewed_a_moment_ago_is_anothers(server: Server) -> None:
    @in_virtual_time
    async def story() -> None:
        with pytest.raises(NameTaken) as taken:
            await meet(server)
        assert asyncio.get_running_loop().time() == 0
        assert taken.value.message == (
            "another machine at 192.0.2.9 (machine ID beef) is node edge-1 already, and alive"
        )
        assert "--node-name" in taken.value.hint
        assert "kubectl delete node edge-1" in taken.value.hint

    story()


@pytest.mark.parametrize(
    "skew_s",
    [
        pytest.param(-40, id="just-too-old"),
        pytest.param(-3600, id="our-clock-is-an-hour-ahead"),
        pytest.param(3600, id="our-clock-is-an-hour-behind"),
        pytest.param(2, id="our-clock-is-a-little-behind"),
    ],
)
@pytest.mark.parametrize("every_s", [9.6, 10.4])
def test_a_rival_whose_clock_is_another_is_seen_by_its_renewals(
    skew_s: float, every_s: float
) -> None:
    @in_virtual_time
    async def story() -> None:
        renewals = [(turn * every_s, turn * every_s + skew_s) for turn in range(9)]
        with pytest.raises(NameTaken):
            await meet(Server(a_node(), *renewals))
        assert asyncio.get_running_loop().time() <= 12

    story()


@pytest.mark.parametrize("renewed_at", [-3600, -41, 3600])
def test_a_node_that_is_dead_is_replaced_once_that_is_certain(renewed_at: float) -> None:
    @in_virtual_time
    async def story() -> None:
        with capture_logs() as logged:
            waited_s = await meet(Server(a_node(), (0, renewed_at)))
        assert 12 <= waited_s <= 14
        assert [entry["event"] for entry in logged] == [
            "node.looks_for_rival",
            "node.replaces_another",
        ]

    story()


@in_virtual_time
async def test_a_lease_that_goes_while_it_is_watched_was_nobodys() -> None:
    server = Server(a_node(), (0, -3600))
    server.lease_troubles = [NotFound("no such lease", status=404)]
    assert await meet(server) == 0


@pytest.mark.parametrize("away", ["troubles", "lease_troubles"])
def test_a_server_that_is_away_is_waited_for(away: str) -> None:
    @in_virtual_time
    async def story() -> None:
        server = Server(a_node(), (0, 0))
        troubles: list[ApiError] = [ApiUnavailable("connection refused")] * 3
        setattr(server, away, troubles)
        with capture_logs() as logged, pytest.raises(NameTaken):
            await meet(server)
        assert asyncio.get_running_loop().time() == pytest.approx(0.2 + 0.4 + 0.8)
        assert [entry["event"] for entry in logged] == ["node.waits_for_api_server"]

    story()


@pytest.mark.parametrize("closed", ["troubles", "lease_troubles"])
def test_who_may_not_know_goes_on_and_says_so(closed: str) -> None:
    @in_virtual_time
    async def story() -> None:
        server = Server(a_node(), (0, 0))
        setattr(server, closed, [Forbidden("leases is forbidden", status=403)])
        with capture_logs() as logged:
            assert await meet(server) == 0
        assert [entry["event"] for entry in logged] == ["node.rivals_unknown"]

    story()


# on this machine --------------------------------------------------------------------------------

SERVER: Final = "https://api.example:6443"


def test_a_second_node_of_the_name_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with only_node_called("edge-1", server=SERVER, directory=tmp_path):
        with (
            pytest.raises(NameTaken, match="edge-1") as taken,
            only_node_called("edge-1", server=f"{SERVER}/", directory=tmp_path),
        ):
            pass
        assert "--node-name" in taken.value.hint
    with only_node_called("edge-1", server=SERVER, directory=tmp_path):
        pass


def test_nothing_is_left_of_it_and_what_another_has_removed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    truth = rivals._is_at

    def removed_once(place: Path, descriptor: int) -> bool:
        if not looks:
            place.rmdir()
        looks.append(truth(place, descriptor))
        return looks[-1]

    monkeypatch.setattr(rivals, "_is_at", removed_once)
    with only_node_called("edge-1", server=SERVER, directory=tmp_path):
        assert len(list((tmp_path / "krustlet").iterdir())) == 1
    assert looks == [False, True]
    assert list((tmp_path / "krustlet").iterdir()) == []


def test_other_names_and_other_clusters_do_not_get_in_the_way(tmp_path: Path) -> None:
    with (
        only_node_called("edge-1", server=SERVER, directory=tmp_path),
        only_node_called("edge-2", server=SERVER, directory=tmp_path),
        only_node_called("edge-1", server="https://other.example", directory=tmp_path),
    ):
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {0o700}


def test_what_goes_wrong_meanwhile_is_not_mistaken_for_it(tmp_path: Path) -> None:
    with (
        pytest.raises(DirectoryInUse),
        only_node_called("edge-1", server=SERVER, directory=tmp_path),
    ):
        raise DirectoryInUse("the data directory is")


def test_where_there_is_no_place_to_say_so_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "krustlet").write_text("a file")
    with (
        capture_logs() as logged,
        only_node_called("edge-1", server=SERVER, directory=tmp_path),
    ):
        pass
    assert [entry["event"] for entry in logged] == ["node.rivals_unknown"]


def test_where_others_have_closed_that_place_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(directory: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(directory))

    monkeypatch.setattr(rivals, "only_user_of", closed)
    with (
        capture_logs() as logged,
        only_node_called("edge-1", server=SERVER, directory=tmp_path),
    ):
        pass
    assert [entry["event"] for entry in logged] == ["node.rivals_unknown"]


def test_a_name_may_be_as_long_as_names_are(tmp_path: Path) -> None:
    longest = ["a" * 252 + last for last in "xy"]
    with (
        only_node_called(longest[0], server=SERVER, directory=tmp_path),
        only_node_called(longest[1], server=SERVER, directory=tmp_path),
        pytest.raises(NameTaken),
        only_node_called(longest[0], server=SERVER, directory=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("user", "named", "place"),
    [
        (0, "/run/user/0", Path("/run")),
        (1000, "/run/user/1000", Path("/run/user/1000")),
        (1000, "", None),
    ],
)
def test_what_does_not_outlive_a_boot_is_kept_where_it_belongs(
    user: int, named: str, place: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    be: Callable[[], int] = lambda: user  # noqa: E731 - one line for one number
    monkeypatch.setattr("os.geteuid", be)
    monkeypatch.setenv("XDG_RUNTIME_DIR", named)
    assert rivals._runtime_directory() == place
