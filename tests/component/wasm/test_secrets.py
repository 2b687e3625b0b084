"""Where a container's secrets are: in its own memory, and nowhere else on the machine."""

import os
import secrets
from pathlib import Path

import pytest

from tests.component.wasm.conftest import WithWasm
from tests.support.processes import memory_holds


def needle() -> str:
    return f"hidden-{secrets.token_hex(16)}"


async def start(wasm: WithWasm, id_: str, secret: str) -> int:
    started = await wasm.start("secret", env=[("SECRET", secret)], id_=id_)
    await wasm.supervised.until_printed(id_, b"ready\n")
    return started.pid


async def test_a_secret_is_in_its_container_only(wasm: WithWasm, tmp_path: Path) -> None:
    secret = needle()
    before = await start(wasm, "before", needle())
    holder = await start(wasm, "holder", secret)
    helpers = (wasm.supervised.pid, wasm.supervised.pump)
    assert [pid for pid in helpers if memory_holds(pid, secret.encode())] == []
    after = await start(wasm, "after", needle())
    await wasm.start("hello", id_="ended")
    await wasm.supervised.end("ended")

    assert memory_holds(holder, secret.encode())  # or the search would prove nothing
    others = (before, after, *helpers)
    assert [pid for pid in others if memory_holds(pid, secret.encode())] == []
    assert _processes_that_show(secret) == []
    assert _files_that_hold(tmp_path, secret) == []


async def test_a_secret_is_nowhere_after_its_container(wasm: WithWasm, tmp_path: Path) -> None:
    secret = needle()
    await start(wasm, "holder", secret)
    wasm.supervised.supervisor.stop("holder", grace_s=10)
    await wasm.supervised.end("holder")
    after = await start(wasm, "after", needle())
    others = (after, wasm.supervised.pid, wasm.supervised.pump)
    assert [pid for pid in others if memory_holds(pid, secret.encode())] == []
    assert _files_that_hold(tmp_path, secret) == []


async def test_a_secret_is_not_in_what_is_told_of_a_start_that_failed(
    wasm: WithWasm, tmp_path: Path
) -> None:
    secret = needle()
    await wasm.start("imports", env=[("SECRET", secret)])
    end = await wasm.supervised.end("a")
    assert end.code == 128
    assert secret not in end.message
    assert _files_that_hold(tmp_path, secret) == []


@pytest.mark.parametrize("env", [[("SECRET", "no\0where")], [("A", "1"), ("no\0where", "2")]])
async def test_a_secret_that_cannot_be_given_is_not_told(
    wasm: WithWasm, env: list[tuple[str, str]]
) -> None:
    await wasm.start("hello", env=env)
    end = await wasm.supervised.end("a")
    assert end.code == 128
    assert "where" not in end.message


def _processes_that_show(text: str) -> list[str]:
    """Those with `text` in their environment or command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            try:
                shown = (process / name).read_bytes()
            except (OSError, PermissionError):
                continue  # it ended meanwhile, or is not ours to ask
            if os.fsencode(text) in shown:
                found.append(f"{process / name}")
    return found


def _files_that_hold(directory: Path, text: str) -> list[Path]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files  # logs and records, at least
    return [path for path in files if text.encode() in path.read_bytes()]
