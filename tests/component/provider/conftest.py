"""Kubelets are killed here, and their supervisors live on: none of these outlives its test."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import processes_of
from tests.support.until import until_not


@pytest.fixture(autouse=True)
def _nothing_runs_on(tmp_path: Path) -> Iterator[None]:
    """Also where a test fails between the death of a kubelet and the coming of the next."""
    yield
    try:
        until_not(lambda: processes_of(tmp_path))
    finally:
        for pid in processes_of(tmp_path):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
