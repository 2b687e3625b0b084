"""What becomes of a log that cannot be shown."""

import asyncio
import errno
import os
from pathlib import Path
from typing import cast

import pytest

from krustlet.base import KrustletError
from krustlet.cli.followers import Followers, LogUnreadable
from krustlet.cli.output import Output
from krustlet.cli.streams import ReaderGone, StdoutUnusable
from krustlet.objects import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    ObjectMeta,
    Pod,
)

STATUS = ContainerStatus(
    name="c",
    ready=False,
    restart_count=0,
    image="",
    image_id="",
    state=ContainerState(terminated=ContainerStateTerminated(exit_code=0)),
)


class Broken:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def follow(self, label: str, log: Path, *, ended: asyncio.Event) -> None:
        raise self._error


async def told_of(error: Exception) -> list[object]:
    told: list[object] = []
    followers = Followers(
        cast("Output", Broken(error)),
        Path("/logs"),
        label=lambda _, name: name,
        on_closed=lambda: told.append("closed"),
        on_failed=told.append,
    )
    followers.see(Pod(metadata=ObjectMeta(name="p", namespace="default", uid="1-2")), STATUS)
    await followers.drain()
    return told


async def test_nobody_reads_it() -> None:
    assert await told_of(ReaderGone()) == ["closed"]


async def test_it_cannot_be_written() -> None:
    error = StdoutUnusable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert await told_of(error) == [error]


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (errno.EMFILE, "cannot show the log of c: Too many open files", "ulimit -n 4096"),
        (
            errno.EIO,
            "cannot show the log of c: /logs/default_p_1-2/c/0.log: Input/output error",
            "",
        ),
    ],
)
async def test_it_cannot_be_read(number: int, message: str, hint: str) -> None:
    [error] = await told_of(OSError(number, os.strerror(number)))
    assert isinstance(error, LogUnreadable)
    assert isinstance(error, KrustletError)
    assert error.message == message
    assert hint in error.hint
