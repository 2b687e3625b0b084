"""When the service manager is told what; messages are kept in a list instead of sent."""

import asyncio
import errno
import os
from collections.abc import Callable

import pytest
import structlog

from krustlet.kubelet.service_manager import ServiceManager
from tests.support.virtual_time import in_virtual_time


class Heard:
    """What has been sent, and when; fails as long as it is told to."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, dict[str, str]]] = []
        self.error: OSError | None = None

    def send(self, message: bytes) -> None:
        if self.error is not None:
            raise self.error
        facts = dict(line.split("=", 1) for line in message.decode().split("\n"))
        self.messages.append((round(asyncio.get_running_loop().time(), 3), facts))

    def times(self, fact: str) -> list[float]:
        return [at for at, facts in self.messages if fact in facts]

    def last(self) -> dict[str, str]:
        return self.messages[-1][1]


async def watch(
    manager: ServiceManager, *, for_s: float, healthy: Callable[[], bool] = lambda: True
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(for_s):
            await manager.keep_watch(healthy)


def test_the_environment_is_taken_out_so_that_no_child_answers_too() -> None:
    given = {"NOTIFY_SOCKET": "/no", "WATCHDOG_USEC": "9", "WATCHDOG_PID": "1", "HOME": "/"}
    ServiceManager.from_environment(given)
    assert given == {"HOME": "/"}


def test_without_a_service_manager_nothing_happens() -> None:
    @in_virtual_time
    async def tell_all() -> None:
        manager = ServiceManager.from_environment({"WATCHDOG_USEC": "9", "HOME": "/"})
        manager.ready("serves pods")
        manager.reloading()
        manager.reloaded("serves pods")
        manager.stopping("stops")
        await manager.keep_watch()

    with structlog.testing.capture_logs() as logs:
        tell_all()
    assert logs == []


@pytest.mark.parametrize(
    ("environment", "watched"),
    [
        pytest.param({"WATCHDOG_USEC": "30000000"}, True, id="whoever-it-is"),
        pytest.param(
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, True, id="this-one"
        ),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, False, id="another"),
        pytest.param({}, False, id="nobody"),
        pytest.param({"WATCHDOG_USEC": "0"}, False, id="no-time-at-all"),
        pytest.param({"WATCHDOG_USEC": "soon"}, False, id="not-a-number"),
        pytest.param({"WATCHDOG_USEC": "9" * 5000}, False, id="no-number-of-a-clock"),
    ],
)
def test_who_is_watched(
    environment: dict[str, str], watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr("krustlet.kubelet.service_manager._sender", lambda _: heard.send)

    @in_virtual_time
    async def run() -> None:
        manager = ServiceManager.from_environment({"NOTIFY_SOCKET": "@x", **environment})
        await watch(manager, for_s=15)

    run()
    assert heard.times("WATCHDOG") == ([0, 10] if watched else [])


@in_virtual_time
async def test_signs_of_life_come_three_times_in_the_interval() -> None:
    heard = Heard()
    await watch(ServiceManager(heard.send, watchdog_s=30), for_s=35)
    assert heard.times("WATCHDOG") == [0, 10, 20, 30]


@in_virtual_time
async def test_one_that_hangs_says_nothing_while_it_does() -> None:
    heard = Heard()
    manager = ServiceManager(heard.send, watchdog_s=30)
    loop = asyncio.get_running_loop()
    with structlog.testing.capture_logs() as logs:
        await watch(manager, for_s=65, healthy=lambda: not 15 < loop.time() < 45)
    assert heard.times("WATCHDOG") == [0, 10, 50, 60]
    assert [entry["event"] for entry in logs] == ["service.hangs"]


@in_virtual_time
async def test_a_start_may_take_longer_until_it_is_over() -> None:
    heard = Heard()
    manager = ServiceManager(heard.send)
    asyncio.get_running_loop().call_later(25, manager.ready, "serves pods")
    await watch(manager, for_s=60)
    assert heard.times("EXTEND_TIMEOUT_USEC") == [0, 10, 20]
    assert heard.times("READY") == [25]
    assert len(heard.messages) == 4  # an unwatched service that has started has nothing to say


@in_virtual_time
async def test_what_was_not_heard_is_said_again_and_complained_of_once() -> None:
    heard = Heard()
    manager = ServiceManager(heard.send, watchdog_s=30)
    heard.error = BlockingIOError(errno.EAGAIN, "full")
    with structlog.testing.capture_logs() as logs:
        manager.status("waits")
        manager.ready("serves pods")
        await watch(manager, for_s=15)
        heard.error = None
        await watch(manager, for_s=5)
    assert heard.messages == [(15, {"STATUS": "serves pods", "READY": "1", "WATCHDOG": "1"})]
    assert [entry["event"] for entry in logs] == ["service.manager_not_told"]


@in_virtual_time
async def test_a_reload_that_was_not_heard_to_begin_is_told_as_one_that_is_over() -> None:
    heard = Heard()
    manager = ServiceManager(heard.send)
    manager.ready("serves pods")
    heard.error = ConnectionRefusedError(errno.ECONNREFUSED, "gone")
    manager.reloading()
    heard.error = None
    manager.reloaded("serves pods")
    assert heard.last().keys() == {"RELOADING", "MONOTONIC_USEC", "READY", "STATUS"}


@in_virtual_time
async def test_a_status_is_one_line_whatever_it_says() -> None:
    heard = Heard()
    ServiceManager(heard.send).status("waits\nREADY=1\n" + "x" * 1000)
    assert heard.last().keys() == {"STATUS"}
    assert len(heard.last()["STATUS"]) == 500


@in_virtual_time
async def test_a_reload_during_the_start_does_not_end_the_start() -> None:
    heard = Heard()
    manager = ServiceManager(heard.send)
    manager.reloading()
    manager.reloaded("the settings were read again")
    assert [facts for _, facts in heard.messages] == [{"STATUS": "the settings were read again"}]


@in_virtual_time
async def test_what_it_waited_for_is_over_and_its_usual_status_is_back() -> None:
    heard = Heard()
    manager = ServiceManager(heard.send)
    manager.ready("serves pods")
    manager.status("waits for an approval")
    manager.status("")
    assert heard.last() == {"STATUS": "serves pods"}
