"""A systemd of its own: process 1 of a namespace, on this machine's kernel and network.

Owns its namespaces and control groups, which go with it. What it would write on this machine's
disks goes to overlays in memory, or to directories that the test has named.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from krustlet.cgroups.files import SYSTEM_FILES
from krustlet.cgroups.mounts import Mount, find_mounts
from tests.support.children import Child
from tests.support.command import Result
from tests.support.processes import descendants, name_of
from tests.support.until import until

PROGRAM: Final = Path("/lib/systemd/systemd")
_LIMIT_S: Final = 60.0
_LOG: Final = "systemd.log"
_UNITS: Final = "/run/units"
_OVERLAID: Final = ("/etc", "/opt", "/var")
_UP: Final = ("running", "degraded")
_TARGETS: Final = ("basic", "multi-user", "network-online", "shutdown", "sysinit", "umount")


class Systemd:
    """As `with Systemd.start(…) as systemd`.

    Attributes:
        log: all that its services have said.
    """

    def __init__(self, pid: int, log: Path) -> None:
        self._pid = pid
        self.log = log

    @classmethod
    @contextmanager
    def start(
        cls, directory: Path, *, files: Mapping[str, str | Path], kept: Mapping[str, Path]
    ) -> "Iterator[Systemd]":
        """One that has no units but its targets, and `files`.

        Args:
            directory: its own; need not exist.
            files: path there → what it holds, or the file here that is there, too. One whose name
                ends in `.service` may be named without a directory.
            kept: directories there → where they are here.
        """
        directory.mkdir(parents=True, exist_ok=True)
        script = directory / "start"
        script.write_text(_script(directory, files, kept))
        groups = [f"{mount.own}/krustlet-test-systemd-{os.getpid()}" for mount in _hierarchies()]
        own = ("--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--mount-proc")
        joined = "; ".join(f"mkdir {group}; echo $$ >{group}/cgroup.procs" for group in groups)
        command = f"{joined}; exec unshare {' '.join(own)} --kill-child -- sh -eu {script}"
        child = Child("systemd", ["sh", "-euc", command], log=(log := directory / _LOG))
        child.start()
        try:
            systemd = cls(_first_below(child), log)
            until(systemd.is_up, within_s=_LIMIT_S)
            yield systemd
        finally:
            child.stop(grace_s=0)
            until(lambda: _are_gone(groups), within_s=_LIMIT_S)

    def is_up(self) -> bool:
        """Whether it has started all that it is to start with."""
        return self.call("systemctl", "is-system-running").stdout.strip() in _UP

    def call(self, *command: str | Path) -> Result:
        """How `command` ended that was run there, and what it said."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._pid), "--all", "--", *command],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def run(self, *command: str | Path) -> str:
        """What `command` says, which must go well there."""
        result = self.call(*command)
        assert result.code == 0, f"{command}: {result.stderr}\n{self.said()[-4000:]}"
        return result.stdout

    def shows(self, unit: str, name: str) -> str:
        """The property `name` of a unit."""
        return self.run("systemctl", "show", unit, "--property", name, "--value").strip()

    def path(self, path: str | Path) -> Path:
        """Where `path` of there is found here."""
        return Path(f"/proc/{self._pid}/root/{path}")

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def _hierarchies() -> Sequence[Mount]:
    """All but that of processors and memory banks, whose groups are of no use as they are made."""
    mounts = find_mounts(SYSTEM_FILES)
    return [mount for mount in mounts if mount.own and "cpuset" not in mount.controllers]


def _script(directory: Path, files: Mapping[str, str | Path], kept: Mapping[str, Path]) -> str:
    """What is done between the namespaces and systemd, which takes its place."""
    lines = ["mount --make-rprivate /", "mount -t tmpfs tmpfs /run"]
    for path in _OVERLAID:
        layer = f"/run/layers{path}"
        lines += [
            f"mkdir -p {layer}/upper {layer}/work",
            f"mount -t overlay -o lowerdir={path},upperdir={layer}/upper,workdir={layer}/work"
            f" overlay {path}",
        ]
    lines += ["umount -R -l /sys/fs/cgroup"]
    if any(mount.directory != "/sys/fs/cgroup" for mount in _hierarchies()):
        lines += ["mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup"]
    for mount in _hierarchies():
        lines += [f"mkdir -p {mount.directory}", f"mount {_options(mount)} {mount.directory}"]
    for place, here in kept.items():
        here.mkdir(parents=True, exist_ok=True)
        lines += [f"mkdir -p {place}", f"mount --bind {here} {place}"]
    lines += [f"mkdir -p {_UNITS}"]
    for target in _TARGETS:
        lines += [f"cp /lib/systemd/system/{target}.target {_UNITS}"]
    for number, (place, content) in enumerate(files.items()):
        source = directory / f"file-{number}"
        if isinstance(content, Path):
            shutil.copy(content, source)
        else:
            source.write_text(content)
        to = place if place.startswith("/") else f"{_UNITS}/{place}"
        lines += [f"mkdir -p $(dirname {to})", f"cp --preserve=mode {source} {to}"]
    drop_in = f"{_UNITS}/service.d"  # of every service
    said = f"[Service]\\nStandardOutput=append:{directory / _LOG}\\nStandardError=inherit\\n"
    lines += [f"mkdir {drop_in}", f'printf "{said}" >{drop_in}/log.conf']
    words = "--log-target=console --show-status=0"
    lines += [
        "hostname systemd-test",
        f"export container=test SYSTEMD_UNIT_PATH={_UNITS} PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        f"exec {PROGRAM} --system --unit=multi-user.target {words}",
    ]
    return "\n".join(lines)


def _options(mount: Mount) -> str:
    if mount.version == 2:
        return "-t cgroup2 cgroup2"
    controllers = ",".join(sorted(mount.controllers))
    return f"-t cgroup -o {'none,' if controllers.startswith('name=') else ''}{controllers} cgroup"


def _first_below(child: Child) -> int:
    """Process 1 of the namespace, once it is systemd."""

    def found() -> int:
        child.check()
        assert child.pid is not None
        below = descendants(child.pid)[:1]
        return below[0] if [*map(name_of, below)] == ["systemd"] else 0

    return until(found, within_s=_LIMIT_S)


def _are_gone(groups: Sequence[str]) -> bool:
    """Remove them, as far as that goes; whether it went all the way."""
    for group in groups:
        for path, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                return False  # somebody is still ending
    return True
