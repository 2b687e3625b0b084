"""A thousand containers, two hundred at once: afterwards all is as it was before."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.leftovers import Traces, differences, traces
from tests.support.processes import processes_of
from tests.support.soak import STAYS, Soak
from tests.support.until import until_not
from tests.support.wasm_node import CACHE, WasmNode

_WAVE: Final = 200
_WAVES: Final = 5
_KEPT: Final = (CACHE, "supervisor", "pods", "logs")  # native code, sockets, and empty directories
_MEMORY_KB: Final = 128  # by which supervisor and pump may have grown each, by 1000 containers


@pytest.fixture(params=["plain", pytest.param("walled", marks=pytest.mark.root)])
async def node(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WasmNode]:
    """Containers without walls, as any user can have them, and behind all there are."""
    top = f"krustlet-test/{secrets.token_hex(4)}" if request.param == "walled" else ""
    nothing = traces(tmp_path, cgroups=top)
    node = await WasmNode(tmp_path, cgroups=top).open()
    yield node
    await node.close()
    until_not(lambda: processes_of(tmp_path))
    left = traces(tmp_path, cgroups=top, aside=_KEPT)
    kept = [f"files: +1 {name}" for name in sorted(_KEPT)]
    assert differences(nothing, left, memory_kb=0) == kept


async def test_a_thousand_containers_leave_nothing_behind(node: WasmNode) -> None:
    soak = Soak(node)
    await soak.all_at_once(_WAVE, kinds=[STAYS])  # all of them run at the same moment
    before = _traces(node)  # by now all tables have the size for so many
    for _ in range(_WAVES):
        await soak.all_at_once(_WAVE)
    assert soak.wrong == []
    await asyncio.to_thread(
        until_not,
        lambda: differences(before, _traces(node), memory_kb=_MEMORY_KB),
    )


def _traces(node: WasmNode) -> Traces:
    return traces(node.directory, cgroups=node.top, aside=[CACHE])
