"""`/stop` and `/rm`: for people of this machine, who wait until it is done."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from krustlet.server import NodeServer, short_address
from tests.component.server.control import Broken, FakeControl
from tests.component.server.rig import Rig
from tests.support.pods import Story, a_container, a_pod


class Asking:
    def __init__(self, rig: Rig, control: FakeControl, http: aiohttp.ClientSession) -> None:
        self.rig = rig
        self.control = control
        self._http = http

    async def __call__(self, path: str, method: str = "POST") -> tuple[int, Any]:
        async with asyncio.timeout(60), self._http.request(method, path) as answer:
            is_pod = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_pod else answer.text())

    def begin(self, path: str, method: str = "POST") -> "asyncio.Task[tuple[int, Any]]":
        return asyncio.create_task(self(path, method))

    async def until_asked(self) -> None:
        async with asyncio.timeout(60):
            while not self.rig.pods.waiting:  # noqa: ASYNC110 - what others do has no event
                await asyncio.sleep(0)


@pytest.fixture
async def ask(rig: Rig) -> AsyncIterator[Asking]:
    control = FakeControl()
    async with NodeServer(rig.pods, control=control, root=rig.root, logs=rig.logs) as server:
        with short_address(server.socket_path) as address:
            connector = aiohttp.UnixConnector(address)
            async with aiohttp.ClientSession("http://localhost", connector=connector) as http:
                yield Asking(rig, control, http)


async def test_stopping_is_answered_when_all_have_ended(ask: Asking) -> None:
    story = Story(a_pod(a_container("a"), a_container("b"), policy="Never")).runs("a", "b")
    ask.rig.show(story)
    stopping = ask.begin("/stop/shop/web?grace=1.5")
    await ask.until_asked()
    story.exited("a", code=143)
    ask.rig.show(story)
    await ask.until_asked()
    assert not stopping.done()
    story.exited("b", code=143)
    ask.rig.show(story)
    status, pod = await stopping
    assert (status, pod["metadata"]["name"], pod["status"]["phase"]) == (200, "web", "Failed")
    assert ask.control.asked == [("stop", "uid-of-web", None, 1.5)]


async def test_one_container_may_be_meant(ask: Asking) -> None:
    story = Story(a_pod(a_container("a"), a_container("b"))).runs("a", "b")
    ask.rig.show(story)
    stopping = ask.begin("/stop/shop/web?container=b")
    await ask.until_asked()
    story.exited("b", code=143)
    ask.rig.show(story)
    assert (await stopping)[0] == 200
    assert ask.control.asked == [("stop", "uid-of-web", "b", 30.0)]


async def test_one_that_runs_again_was_stopped(ask: Asking) -> None:
    story = ask.rig.running()
    stopping = ask.begin("/stop/shop/web")
    await ask.until_asked()
    story.exited(code=143)
    story.started()
    ask.rig.show(story)
    _, pod = await stopping
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1


async def test_a_pod_that_runs_nothing_is_stopped_already(ask: Asking) -> None:
    ask.rig.show(Story(a_pod()))
    assert (await ask("/stop/shop/web"))[0] == 200


async def test_a_pod_that_goes_meanwhile_was_stopped(ask: Asking) -> None:
    pod = ask.rig.show(ask.rig.running())
    stopping = ask.begin("/stop/shop/web")
    await ask.until_asked()
    ask.rig.pods.remove(pod)
    assert (await stopping)[0] == 200


async def test_who_does_not_wait_has_asked_all_the_same(ask: Asking) -> None:
    ask.rig.running()
    stopping = ask.begin("/stop/shop/web")
    await ask.until_asked()
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    async with asyncio.timeout(60):
        while ask.rig.pods.waiting:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)
    assert len(ask.control.asked) == 1


async def test_removing_is_answered_when_nothing_is_left(ask: Asking) -> None:
    pod = ask.rig.show(ask.rig.running())
    removing = ask.begin("/rm/shop/web?grace=0", "DELETE")
    await ask.until_asked()
    assert not removing.done()
    ask.rig.pods.remove(pod)
    status, last = await removing
    assert (status, last["metadata"]["uid"]) == (200, pod.uid)
    assert ask.control.asked == [("remove", "web", 0.0)]


async def test_a_removal_that_its_owner_will_not_have_is_told(ask: Asking) -> None:
    ask.rig.running()
    ask.control.error = Broken("the API server is away", hint="try again")
    assert await ask("/rm/shop/web", "DELETE") == (409, "the API server is away; try again")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/stop/shop/wbe", 404, 'pod "wbe" does not exist'),
        ("POST", "/stop/other/web", 404, 'pod "web" does not exist'),
        ("POST", "/stop/shop/web?container=b", 404, 'container "b" not found in pod "web"'),
        ("POST", "/stop/shop/web?grace=x", 400, 'grace "x" is no number of seconds'),
        ("POST", "/stop/shop/web?grace=-1", 400, 'grace "-1" is no number of seconds'),
        ("POST", "/stop/shop/web?grace=nan", 400, 'grace "nan" is no number of seconds'),
        ("DELETE", "/rm/shop/web?grace=inf", 400, 'grace "inf" is no number of seconds'),
        ("DELETE", "/rm/shop/wbe", 404, 'pod "wbe" does not exist'),
        ("GET", "/stop/shop/web", 405, "405: Method Not Allowed"),
    ],
)
async def test_what_cannot_be_is_said(
    ask: Asking, method: str, path: str, status: int, text: str
) -> None:
    ask.rig.running()
    assert await ask(path, method) == (status, text)
    assert ask.control.asked == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/stop/shop/web"), ("DELETE", "/rm/shop/web")]
)
async def test_nobody_may_over_https(rig: Rig, method: str, path: str) -> None:
    rig.running()
    control = FakeControl()
    async with rig.serving(control=control):
        status, text = await rig.ask(path, rig.admin, method=method)
    assert (status, text) == (404, "404: Page Not Found\n")
    assert control.asked == []
