"""Settings read again while the node runs: what is put in force, what waits, what is refused."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from krustlet.base import KrustletError
from krustlet.kubelet.reloading import OF_THE_NODE, Applier, Both, Reload, Reloader, changes
from krustlet.kubelet.service_manager import ServiceManager
from krustlet.settings import ClusterSettings, Settings
from tests.support.virtual_time import in_virtual_time

SETTINGS = Settings(root=Path("/d"), cache=Path("/c"), logs=Path("/l"), images=None)
CLUSTER = ClusterSettings(kubeconfig=Path("/k"), node_name="n", hostname="n")
BEFORE = (SETTINGS, CLUSTER)


def given(**changed: object) -> Both:
    of_settings = {key: value for key, value in changed.items() if hasattr(SETTINGS, key)}
    of_cluster = {key: value for key, value in changed.items() if hasattr(CLUSTER, key)}
    assert len(of_settings) + len(of_cluster) == len(changed)
    return replace(SETTINGS, **of_settings), replace(CLUSTER, **of_cluster)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(given(), Reload(), id="nothing"),
        pytest.param(given(max_pods=7), Reload(applied=("max_pods",)), id="of-the-node"),
        pytest.param(given(port=1), Reload(needs_restart=("port",)), id="of-the-cluster"),
        pytest.param(given(provider="x"), Reload(needs_restart=("provider",)), id="of-the-kubelet"),
        pytest.param(
            given(port=1, address="::", max_pods=7, kube_reserved={"cpu": "1"}),
            Reload(applied=("kube_reserved", "max_pods"), needs_restart=("address", "port")),
            id="many-in-order",
        ),
    ],
)
def test_what_has_changed(new: Both, expected: Reload) -> None:
    assert changes(BEFORE, new, OF_THE_NODE) == expected


def test_no_name_is_of_both_and_those_of_the_node_are_there() -> None:
    names = Settings.__struct_fields__, ClusterSettings.__struct_fields__
    assert not set(names[0]) & set(names[1])
    assert set(names[1]) >= OF_THE_NODE


@pytest.mark.parametrize(
    ("reload", "said"),
    [
        (Reload(), "nothing has changed"),
        (Reload(applied=("a", "b")), "now in force: a, b"),
        (Reload(applied=("a",), needs_restart=("c",)), "in force: a; only after a restart: c"),
    ],
)
def test_it_is_told_in_a_line(reload: Reload, said: str) -> None:
    assert str(reload).endswith(said)


class Refused(KrustletError):
    """No such settings."""


class Node:
    """What two appliers have put in force, and the files they come from.

    Attributes:
        file: what `load` finds there.
        told: all that the service manager heard.
    """

    def __init__(self) -> None:
        self.file: Both | Exception = BEFORE
        self.loads = 0
        self.in_force: list[tuple[str, object]] = []
        self.told: list[str] = []
        manager = ServiceManager(lambda message: self.told.append(message.decode()))
        manager.ready("serves pods")
        self.told.clear()
        self.reloader = Reloader(
            BEFORE,
            load=self._load,
            appliers=[self._applier("max_pods"), self._applier("status_every_s")],
            manager=manager,
        )

    def _load(self) -> Both:
        self.loads += 1
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def _applier(self, name: str) -> Applier:
        def prepare(_: Settings, cluster: ClusterSettings) -> Callable[[], None]:
            value = getattr(cluster, name)
            if value < 0:
                raise Refused(f"{name} cannot be {value}", hint="give another")
            return lambda: self.in_force.append((name, value))

        return Applier(frozenset({name}), prepare)

    async def reload(self, file: Both | Exception) -> list[str]:
        """The events that a hang-up makes it log, once it has settled."""
        self.file = file
        with structlog.testing.capture_logs() as logs:
            self.reloader.ask()
            await asyncio.sleep(1)
        return [entry["event"] for entry in logs]

    @contextmanager
    def running(self) -> Iterator[None]:
        task = asyncio.ensure_future(self.reloader.run())
        try:
            yield
        finally:
            task.cancel()


@in_virtual_time
async def test_when_it_has_ended_hang_ups_do_nothing_and_children_hear_of_them() -> None:
    with Node().running():
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # which a child would inherit


@in_virtual_time
async def test_only_what_has_changed_is_put_in_force() -> None:
    node = Node()
    with node.running():
        assert await node.reload(given(max_pods=7)) == ["node.reloaded"]
        assert await node.reload(given(max_pods=7, status_every_s=2)) == ["node.reloaded"]
        assert await node.reload(given(max_pods=7, status_every_s=2)) == ["node.reloaded"]
    assert node.in_force == [("max_pods", 7), ("status_every_s", 2)]
    assert node.reloader.in_force == given(max_pods=7, status_every_s=2)


@in_virtual_time
async def test_what_needs_a_restart_is_said_each_time_and_does_not_count_yet() -> None:
    node = Node()
    with node.running():
        for _ in range(2):
            said = await node.reload(given(port=1, max_pods=7))
            assert said == ["node.reloaded", "node.needs_a_restart"]
    assert node.reloader.in_force == given(max_pods=7)
    assert node.in_force == [("max_pods", 7)]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(Refused("port: 'many' is no number"), id="cannot-be-read"),
        pytest.param(PermissionError(13, "Permission denied"), id="may-not-be-read"),
        pytest.param(given(max_pods=7, status_every_s=-1), id="is-refused-by-a-room"),
    ],
)
@in_virtual_time
async def test_a_bad_file_leaves_all_as_it_was(file: Both | Exception) -> None:
    node = Node()
    with node.running():
        assert await node.reload(file) == ["node.not_reloaded"]
        assert (node.in_force, node.reloader.in_force) == ([], BEFORE)
        assert await node.reload(given(max_pods=8)) == ["node.reloaded"]
    assert node.in_force == [("max_pods", 8)]


@in_virtual_time
async def test_the_service_manager_hears_of_each_reload_and_of_its_end_whatever_comes() -> None:
    node = Node()
    with node.running():
        for file in (given(max_pods=7), Refused("no")):
            await node.reload(file)
            began, ended = node.told
            assert began.startswith("RELOADING=1\nMONOTONIC_USEC=")
            assert ended.startswith("READY=1\nSTATUS=the settings ")
            node.told.clear()


@in_virtual_time
async def test_asked_twice_at_once_it_reads_once() -> None:
    node = Node()
    with node.running():
        node.reloader.ask()
        await node.reload(given(max_pods=7))
    assert node.loads == 1
