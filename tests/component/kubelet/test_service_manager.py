"""The service manager's socket: at a path or of an abstract name, full, or gone."""

import contextlib
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from krustlet.kubelet.service_manager import ServiceManager


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        yield listener


def test_it_is_told_at_a_path(listener: socket.socket, tmp_path: Path) -> None:
    listener.bind(str(tmp_path / "notify"))
    ServiceManager.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")}).ready("serves")
    assert listener.recv(4096) == b"READY=1\nSTATUS=serves"


def test_it_is_told_at_an_abstract_name(listener: socket.socket) -> None:
    name = f"krustlet-{uuid.uuid4()}"
    listener.bind(f"\0{name}")
    ServiceManager.from_environment({"NOTIFY_SOCKET": f"@{name}"}).status("waits")
    assert listener.recv(4096) == b"STATUS=waits"


def test_a_reload_says_when_it_began(listener: socket.socket, tmp_path: Path) -> None:
    listener.bind(str(tmp_path / "notify"))
    before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6 - 1
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    manager.ready("serves")
    manager.reloading()
    assert listener.recv(4096).startswith(b"READY=1")
    facts = dict(line.split("=") for line in listener.recv(4096).decode().split("\n"))
    assert facts.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert before <= int(facts["MONOTONIC_USEC"]) <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6


@pytest.mark.parametrize(
    "address", ["/no/such/socket", "@nobody-listens-here", "/" + "x" * 200, "vsock:2:1234"]
)
def test_one_that_is_gone_does_no_harm(address: str) -> None:
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": address})
    with structlog.testing.capture_logs() as logs:
        manager.ready("serves")
        manager.stopping("stops")
    assert [entry["event"] for entry in logs] == ["service.manager_not_told"]


def test_one_that_does_not_read_holds_nobody_up(listener: socket.socket, tmp_path: Path) -> None:
    listener.bind(str(tmp_path / "notify"))
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    with structlog.testing.capture_logs() as logs:
        for number in range(5000):  # more than any queue holds
            manager.status(f"waits {number}")
    assert [entry["event"] for entry in logs] == ["service.manager_not_told"]
    _drain(listener)
    manager.ready("serves")
    assert listener.recv(4096) == b"STATUS=serves\nREADY=1"


def _drain(listener: socket.socket) -> None:
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.recv(4096)
