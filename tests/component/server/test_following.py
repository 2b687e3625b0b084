"""Following logs over HTTPS: to the end, by many, and by some who go or do not read."""

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.component.server.rig import HOST, LIMIT_S, LINE, Rig
from tests.support.pods import Story

WEB = "/containerLogs/shop/web/app?follow=true"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - it is of the process, which tells nobody
            await asyncio.sleep(0.01)


def open_logs(rig: Rig) -> int:
    """How many of this node's logs are open in this process."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(link).startswith(str(rig.logs))
        except FileNotFoundError:
            continue  # the one of listing them
    return found


def following_tasks() -> int:
    return sum(task.get_name().startswith(("server.", "log.")) for task in asyncio.all_tasks())


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for clients and server in one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ends(rig: Rig, story: Story) -> None:
    story.exited(code=0)
    rig.show(story)


async def test_each_line_comes_at_once_and_the_end_with_the_run(rig: Rig) -> None:
    story = rig.running(policy="Never")
    async with rig.serving(), rig.get(WEB, rig.admin) as answer:
        assert answer.status == 200  # before anything was printed
        for number in range(5):
            rig.prints(story.pod, f"line {number}")
            assert await answer.content.readline() == b"line %d\n" % number
        rig.prints(story.pod, "last")
        ends(rig, story)
        assert await answer.content.read() == b"last\n"


async def test_nothing_of_the_next_run_is_shown(rig: Rig) -> None:
    story = rig.running()
    rig.prints(story.pod, "run 0")
    async with rig.serving(), rig.get(WEB, rig.admin) as answer:
        assert await answer.content.readline() == b"run 0\n"
        rig.prints(story.pod, "run 1", restart=1)
        story.exited(code=1)
        story.until_started()
        story.started()
        rig.show(story)
        assert await answer.content.read() == b""


@pytest.mark.parametrize("query", ["", "&previous=true"])
async def test_following_what_is_over_ends_at_once(rig: Rig, query: str) -> None:
    story = rig.running()
    rig.prints(story.pod, "run 0")
    story.exited(code=1)
    if query:
        story.started()
    rig.show(story)
    async with rig.serving():
        assert await rig.ask(WEB + query, rig.admin) == (200, "run 0\n")


async def test_it_ends_when_the_pod_is_gone(rig: Rig) -> None:
    story = rig.running()
    rig.prints(story.pod, "a")
    async with rig.serving(), rig.get(WEB, rig.admin) as answer:
        assert await answer.content.readline() == b"a\n"
        rig.pods.remove(story.pod)
        assert await answer.content.read() == b""


async def test_it_ends_when_another_pod_has_taken_the_name(rig: Rig) -> None:
    story = rig.running()
    rig.prints(story.pod, "a")
    metadata = msgspec.structs.replace(story.pod.metadata, uid="another")
    async with rig.serving(), rig.get(WEB, rig.admin) as answer:
        assert await answer.content.readline() == b"a\n"
        rig.pods.remove(story.pod)
        rig.pods.put(msgspec.structs.replace(story.pod, metadata=metadata), story.statuses[-1])
        assert await answer.content.read() == b""


async def test_other_changes_of_the_pod_do_not_end_it(rig: Rig) -> None:
    story = rig.running(policy="Never")
    async with rig.serving(), rig.get(WEB, rig.admin) as answer:
        await until(lambda: rig.pods.waiting == 1)
        for number in range(3):
            rig.show(story)
            rig.prints(story.pod, str(number))
            assert await answer.content.readline() == b"%d\n" % number


async def test_a_client_that_goes_away_leaves_nothing(rig: Rig) -> None:
    story = rig.running()
    rig.prints(story.pod, "a")
    async with rig.serving():
        for _ in range(3):
            async with rig.get(WEB, rig.admin) as answer:
                assert await answer.content.readline() == b"a\n"
                assert (open_logs(rig), rig.pods.waiting) == (1, 1)
            await until(lambda: (open_logs(rig), rig.pods.waiting, following_tasks()) == (0, 0, 0))


async def test_the_node_goes_though_somebody_follows(rig: Rig) -> None:
    story = rig.running()
    rig.prints(story.pod, "a")
    async with asyncio.timeout(LIMIT_S), contextlib.AsyncExitStack() as running:
        await running.enter_async_context(rig.serving())
        async with rig.get(WEB, rig.admin) as answer:
            assert await answer.content.readline() == b"a\n"
            await running.aclose()
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()  # not taken for the end of the log
    assert (open_logs(rig), following_tasks()) == (0, 0)


async def test_five_hundred_follow_at_once(rig: Rig, many_files: None) -> None:
    story = rig.running(policy="Never")
    trust = rig.trust
    async with (
        rig.serving(),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        context = trust(rig.admin)
        read: list[bytes] = []
        begun = 0

        async def follow() -> None:
            nonlocal begun
            async with session.get(rig.url(WEB), ssl=context) as answer:
                begun += 1
                read.append(await answer.content.read())

        async with asyncio.timeout(2 * LIMIT_S), asyncio.TaskGroup() as group:
            for _ in range(500):
                group.create_task(follow())
            await until(lambda: begun == 500)
            rig.prints(story.pod, "to all")
            before = time.monotonic()
            assert (await rig.ask("/healthz", rig.admin)) == (200, "ok")
            assert time.monotonic() - before < LIMIT_S / 2
            ends(rig, story)
    assert read == [b"to all\n"] * 500
    assert (open_logs(rig), following_tasks()) == (0, 0)


async def test_who_does_not_read_holds_nobody_up_and_costs_little(rig: Rig) -> None:
    story = rig.running()
    lines = 1_000_000
    rig.log(story.pod).write_bytes(LINE % (b"stdout", b"x" * 30) * lines)
    async with rig.serving() as server:
        lazy = []
        for _ in range(20):
            reader, writer = await asyncio.open_connection(
                HOST, server.port, ssl=rig.trust(rig.admin), limit=1024
            )
            writer.write(f"GET {WEB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            lazy.append((reader, writer))
        await until(lambda: open_logs(rig) == 20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with rig.get(WEB.partition("?")[0], rig.admin) as answer:
            size = 0
            async for piece in answer.content.iter_any():
                size += len(piece)
        assert size == 31 * lines
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024
        for _, writer in lazy:
            writer.transport.abort()
        await until(lambda: open_logs(rig) == 0)


async def test_a_long_log_does_not_keep_others_waiting(rig: Rig) -> None:
    story = rig.running()
    rig.log(story.pod).write_bytes(LINE % (b"stdout", b"x" * 30) * 500_000)
    async with rig.serving():

        async def read_all() -> None:
            async with rig.get(WEB.partition("?")[0], rig.admin) as answer:
                async for _ in answer.content.iter_any():
                    pass

        turns = 0
        reading = [asyncio.create_task(read_all()) for _ in range(3)]
        while not all(task.done() for task in reading):
            await asyncio.sleep(0.001)
            turns += 1
        await asyncio.gather(*reading)
    assert turns > 60  # not one or two a log
