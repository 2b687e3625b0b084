"""The service unit that we ship: systemd understands it, and it lets containers be."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
UNIT: Final = DEPLOY / "krustlet.service"
UNPRIVILEGED: Final = DEPLOY / "krustlet-unprivileged.conf"
PROGRAM: Final = "/opt/krustlet/bin/krustlet"
_LIMIT_S: Final = 60.0

Directives = dict[str, list[str]]


def directives(file: Path) -> Directives:
    """All values of each directive, whatever its section, in order; comments left out."""
    found: Directives = {}
    for line in file.read_text().splitlines():
        if matched := re.fullmatch(r"([A-Za-z]+)=(.*)", line):
            found.setdefault(matched[1], []).append(matched[2])
    return found


@pytest.mark.allow_skip("machines without systemd have nothing that understands its units")
@pytest.mark.parametrize("drop_in", [None, UNPRIVILEGED], ids=["as-root", "unprivileged"])
def test_systemd_understands_all_of_it(drop_in: Path | None, tmp_path: Path) -> None:
    """As it would on a machine where the program is installed: here another stands for it."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze: install the package systemd")
    unit = tmp_path / UNIT.name
    program = str(shutil.which("true"))
    unit.write_text(UNIT.read_text().replace(PROGRAM, program))
    if drop_in is not None:
        beside = tmp_path / f"{UNIT.name}.d"
        beside.mkdir()
        text = drop_in.read_text().replace("User=krustlet", "User=daemon")
        (beside / drop_in.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if UNIT.stem in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("KillMode", "process", id="nobody-but-the-node-is-killed"),
        pytest.param("OOMPolicy", "continue", id="one-that-uses-up-memory-takes-nobody-along"),
        pytest.param("TasksMax", "infinity", id="containers-may-be-many"),
        pytest.param("Restart", "always", id="it-comes-back"),
        pytest.param("StartLimitIntervalSec", "0", id="however-often-that-takes"),
        pytest.param("Type", "notify", id="it-says-when-it-is-ready"),
        pytest.param("DefaultDependencies", "no", id="the-boot-waits-for-no-api-server"),
        pytest.param("StateDirectoryMode", "0700", id="its-data-is-its-own"),
        pytest.param("LimitCORE", "0", id="no-secret-is-in-a-core"),
    ],
)
def test_what_keeps_containers_and_secrets(name: str, value: str) -> None:
    assert directives(UNIT)[name] == [value]
    assert name not in directives(UNPRIVILEGED)


def test_nothing_gives_each_start_a_mount_namespace_of_its_own() -> None:
    """The directives that would are those that the unit itself names, in a comment."""
    listed = re.findall(r"^#   (.*)", UNIT.read_text(), re.MULTILINE)
    harmful = {name for line in listed for name in line.split()}
    assert {"ProtectSystem", "PrivateTmp", "ProtectKernelLogs", "DynamicUser"} <= harmful
    for file in (UNIT, UNPRIVILEGED):
        assert not harmful & directives(file).keys()


def test_the_program_is_where_the_guide_installs_it() -> None:
    guide = (DEPLOY.parent / "docs" / "how-to" / "run-as-a-service.md").read_text()
    (start,) = directives(UNIT)["ExecStart"]
    assert start == f"{PROGRAM} node"
    assert f"{PROGRAM.removesuffix('/krustlet')}/pip install" in guide
    for file in (UNIT, UNPRIVILEGED):
        assert f"deploy/{file.name}" in guide
