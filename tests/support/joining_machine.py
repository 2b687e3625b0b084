"""What programs take for another machine: names, addresses, `/etc` and `/run` of its own.

Owns its namespaces, which are gone with the last program in them. It is the same kernel, though,
and the same disk otherwise.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.children import Child
from tests.support.skewed_clock import SkewedClock
from tests.support.until import PATIENCE_S, until

_SET_UP: Final = (
    'mount --bind "$0" /etc && mount -t tmpfs none /run && echo "$1" >/proc/sys/kernel/hostname'
    " && echo ready && exec sleep infinity"
)


class Machine:
    """As `with Machine.start(…) as machine`.

    Attributes:
        enter: words before a command that is to run on it.
        etc: what is `/etc` there.
    """

    def __init__(self, name: str, etc: Path, holder: Child) -> None:
        self.name = name
        self.etc = etc
        self._holder = holder

    @classmethod
    @contextmanager
    def start(cls, directory: Path, name: str, *, networked: bool = False) -> "Iterator[Machine]":
        """One with a machine ID that no other has, and otherwise like this one.

        Args:
            directory: its own; need not exist.
            networked: whether it has a network of its own, with nothing in it but loopback.
        """
        etc = directory / "etc"
        shutil.copytree("/etc", etc, symlinks=True)
        (etc / "machine-id").write_text(f"{os.urandom(16).hex()}\n")
        own = ("--mount", "--uts", *(["--net"] if networked else []))
        holder = Child(
            f"machine {name}",
            ["unshare", *own, "--", "sh", "-c", _SET_UP, etc, name],
            log=(log := directory / "machine.log"),
        )
        holder.start()
        try:
            until(lambda: "ready" in log.read_text())
            machine = cls(name, etc, holder)
            if networked:
                machine.run("ip", "link", "set", "lo", "up")
            yield machine
        finally:
            holder.stop(grace_s=0)

    @property
    def enter(self) -> Sequence[str]:
        return ("nsenter", "--target", str(self.pid), "--mount", "--uts", "--net", "--")

    @property
    def pid(self) -> int:
        pid = self._holder.pid
        assert pid is not None
        return pid

    @property
    def id(self) -> str:
        return (self.etc / "machine-id").read_text().strip()

    def run(self, *command: str) -> str:
        """What `command` says that has run there."""
        return _run(*self.enter, *command)

    def call(self, name: str, address: str) -> None:
        """There, `name` stands for `address`; whatever it stood for before."""
        self.forget(name)
        with (self.etc / "hosts").open("a") as hosts:
            hosts.write(f"{address} {name}\n")

    def forget(self, name: str) -> None:
        """There, `name` stands for nothing any more; who asks for it is not answered."""
        hosts = self.etc / "hosts"
        lines = hosts.read_text().splitlines(keepends=True)
        hosts.write_text("".join(line for line in lines if name not in line.split()))

    def go_by(self, clock: SkewedClock) -> None:
        """Every program that starts there goes by `clock` from now on."""
        (self.etc / "ld.so.preload").write_text(f"{clock.library}\n")

    @contextmanager
    def linked(self, *, here: str, there: str) -> Iterator[str]:
        """A cable between this machine and that one, which it takes to get anywhere.

        What names stand for that `/etc/hosts` does not tell, it asks at this end.

        Args:
            here, there: the addresses at its ends.

        Returns:
            The name of the link there.
        """
        end = f"krt{os.getpid()}"
        _run(
            "ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid)
        )
        try:
            _run("ip", "address", "add", f"{here}/24", "dev", end)
            _run("ip", "link", "set", end, "up")
            self.run("ip", "link", "set", "eth0", "up")
            self.readdress(there, gateway=here)
            (resolver := self.etc / "resolv.conf").unlink(missing_ok=True)  # it may be a link
            resolver.write_text(f"nameserver {here}\n")
            yield "eth0"
        finally:
            _run("ip", "link", "delete", end)

    def readdress(self, address: str, *, gateway: str) -> None:
        """`address` is the only one that it has on its cable, and where it says it comes from."""
        self.run("ip", "address", "flush", "dev", "eth0")
        self.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        self.run("ip", "route", "replace", "default", "via", gateway)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
