"""Which node goes is never guessed, and nobody is left in the dark about one that stays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from krustlet.admin import Drain, Drainer, NodeStillRuns
from krustlet.cli import node_reset
from krustlet.cli.admin_options import Teller
from krustlet.cli.main import krustlet
from krustlet.objects import NODES
from tests.unit.admin import requests as made
from tests.unit.admin.fakes import MemoryApi
from tests.unit.admin.requests import NODE


@pytest.mark.parametrize("flags", [[], ["--cluster-only"]], ids=["here", "cluster-only"])
def test_a_directory_that_says_no_name_has_its_node_named(tmp_path: Path, flags: list[str]) -> None:
    """It ran with --kubeconfig; the machine's name may be that of another node."""
    (tmp_path / ".krustlet.sock.lock").touch()
    args = ["node", "reset", "--yes", "--data-dir", str(tmp_path), *flags]
    result = CliRunner().invoke(krustlet, args, env={"KUBECONFIG": str(tmp_path / "none")})
    assert result.exit_code == 2
    assert "name the NODE that is to go" in result.stderr
    assert (tmp_path / ".krustlet.sock.lock").exists()


def test_where_no_cluster_is_asked_the_directory_is_name_enough(tmp_path: Path) -> None:
    args = ["node", "reset", "--yes", "--local-only", "--data-dir", str(tmp_path / "none")]
    result = CliRunner().invoke(krustlet, args)
    assert result.exit_code == 0, result.output
    assert f"there is no {tmp_path / 'none'}" in result.stdout


class _Local:
    """A machine whose node nobody stops."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def is_running(self) -> bool:
        return False

    async def until_stopped(self, *, within_s: float) -> None:
        raise self._error


@pytest.mark.parametrize("error", [asyncio.CancelledError(), NodeStillRuns("it runs")], ids=repr)
def test_who_ends_it_too_soon_hears_that_the_node_is_cordoned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    api = MemoryApi()
    known = api.put(NODES, made.node())

    @contextlib.asynccontextmanager
    async def drainer(plan: Any, teller: Teller) -> AsyncIterator[Drainer]:
        yield Drainer(api, teller, node=plan.node)

    monkeypatch.setattr(node_reset, "_drainer", drainer)
    local: Any = _Local(error)
    plan = node_reset._Plan(
        node=NODE, config=None, local=local, everything=False, drain=Drain(within_s=5)
    )
    with pytest.raises(type(error)):
        asyncio.run(node_reset._reset(plan, known, Teller(aside=False)))
    told = capsys.readouterr()
    assert f"node {NODE} cordoned" in told.out
    assert f"node {NODE} is still there, and cordoned" in told.err
    assert f"kubectl uncordon {NODE}" in told.err
