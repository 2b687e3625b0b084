"""Reading a machine: from files as the kernel writes them, and from the one that this runs on."""

import os
from pathlib import Path

import pytest

from krustlet.node import LinuxHost, MachineUnreadable

MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a machine."""
    files = {
        "proc/meminfo": "MemTotal:  8388608 kB\nMemAvailable:  4194304 kB\n"
        "SwapTotal:  1048576 kB\nHugePages_Total:  3\n",
        "proc/loadavg": "0.43 0.25 0.37 1/92 24143\n",
        "proc/sys/kernel/pid_max": "4194304\n",
        "proc/sys/kernel/threads-max": "30000\n",
        "proc/sys/kernel/random/boot_id": "9f0b-boot\n",
        "proc/sys/kernel/osrelease": "6.12.1-amd64\n",
        "sys/class/dmi/id/product_uuid": "4c4c-uuid\n",
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "3\n",
        "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "0\n",
        "etc/machine-id": "8f1c\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
    }
    for name, text in files.items():
        (path := tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def host(root: Path) -> LinuxHost:
    return LinuxHost(root, root=root)


def test_a_machine_is_what_its_files_say(host: LinuxHost, root: Path) -> None:
    machine = host.machine()

    assert machine.memory_bytes == 8192 * MIB
    assert machine.swap_bytes == 1024 * MIB
    assert machine.huge_pages == {2 * MIB: 6 * MIB, 1024 * MIB: 0}
    assert machine.id == "8f1c"
    assert machine.system_uuid == "4c4c-uuid"
    assert machine.boot_id == "9f0b-boot"
    assert machine.kernel_version == "6.12.1-amd64"
    assert machine.os_image == "Debian GNU/Linux 13 (trixie)"
    assert machine.cpus == os.cpu_count()
    storage = os.statvfs(root)
    assert machine.storage_bytes == storage.f_blocks * storage.f_frsize


def test_what_is_left_is_what_its_files_say(host: LinuxHost, root: Path) -> None:
    storage = os.statvfs(root)
    vitals = host.vitals()

    assert vitals.memory_free_bytes == 4096 * MIB
    assert (vitals.tasks, vitals.tasks_max) == (92, 30_000)
    for_everybody = storage.f_bavail * storage.f_frsize  # not what is kept for root
    assert vitals.storage_free_bytes == pytest.approx(for_everybody, rel=0.1)
    assert 0 <= vitals.inodes_free <= vitals.inodes


def test_what_minimal_machines_lack_is_done_without(host: LinuxHost, root: Path) -> None:
    (root / "sys/class/dmi/id/product_uuid").unlink()
    (root / "etc/os-release").unlink()

    machine = host.machine()

    assert machine.system_uuid == machine.id == "8f1c"
    assert machine.os_image == "Linux"

    (root / "etc/machine-id").unlink()
    assert host.machine().id == ""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("PRETTY_NAME='Alpine Linux v3.22'", "Alpine Linux v3.22"),
        ("PRETTY_NAME=Arch", "Arch"),
        ('X_PRETTY_NAME="no"', "Linux"),
    ],
)
def test_the_name_of_the_system_is_found_however_it_is_quoted(
    host: LinuxHost, root: Path, line: str, name: str
) -> None:
    (root / "etc/os-release").write_text(f"ID=x\n{line}\n")
    assert host.machine().os_image == name


def test_a_machine_without_its_files_says_which_one(host: LinuxHost, root: Path) -> None:
    (root / "proc/meminfo").unlink()

    with pytest.raises(MachineUnreadable, match=r"proc/meminfo: No such file"):
        host.machine()


def test_a_data_directory_that_is_gone_is_named(root: Path) -> None:
    with pytest.raises(MachineUnreadable, match=r"nowhere.*No such file"):
        LinuxHost(root / "nowhere", root=root).vitals()


def test_files_of_another_make_are_not_guessed_at(host: LinuxHost, root: Path) -> None:
    (root / "proc/loadavg").write_text("busy\n")

    with pytest.raises(MachineUnreadable, match="not understood"):
        host.vitals()


def test_this_very_machine_can_be_read(tmp_path: Path) -> None:
    host = LinuxHost(tmp_path)
    machine, vitals = host.machine(), host.vitals()

    assert machine.cpus > 0
    assert machine.memory_bytes > vitals.memory_free_bytes > 0
    assert machine.storage_bytes == vitals.storage_bytes
    assert len(machine.boot_id) == 36
    assert 0 < vitals.tasks < vitals.tasks_max
