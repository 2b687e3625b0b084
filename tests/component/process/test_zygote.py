"""What a zygote has imported: every container pays for it, in memory and in time to start."""

import subprocess
import sys

import pytest

# `threading` and `random` have work to do in every child; the rest is large, or starts threads.
HEAVY = ["asyncio", "threading", "random", "subprocess", "logging", "structlog", "krustlet.base"]
LISTS = "import sys, {}; print(*sys.modules)"


@pytest.mark.parametrize(
    "modules",
    [
        "krustlet.process.supervisor",
        "krustlet.process.supervisor, krustlet.wasm.runner",
    ],
)
def test_it_imports_nothing_heavy(modules: str) -> None:
    command = [sys.executable, "-I", "-c", LISTS.format(modules)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert sorted(set(HEAVY) & set(done.stdout.split())) == []
