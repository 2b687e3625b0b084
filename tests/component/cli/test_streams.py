"""Standard streams that are closed, full, or read by nobody."""

import subprocess
from pathlib import Path

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import KRUSTLET, Command, Result

SIGPIPE_CODE = 141  # 128 + SIGPIPE, what a shell makes of other tools' end
ON_AND_ON = """
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\08\\00\\00\\00\\02\\00\\00\\00.\\n")
  (func (export "_start")
    (loop (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16))) (br 0))))
"""


def shell(krustlet: Command, script: str) -> Result:
    """Run a script of bash in which `$K` is the command."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"],
        capture_output=True,
        text=True,
        cwd=krustlet.directory,
        env=krustlet.environment({"K": " ".join(KRUSTLET)}),
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("where", "why"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
@pytest.mark.parametrize(
    "command", ["run -q hello.wasm", "run -q -o json hello.wasm", "version", "run --help"]
)
def test_a_result_that_cannot_be_written_is_an_error(
    krustlet: Command, module: Modules, command: str, where: str, why: str
) -> None:
    module("hello")
    result = shell(krustlet, f"$K {command} {where}")
    assert result.code == 1
    assert f"error: cannot write to stdout: {why}\n" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


def test_a_pod_whose_output_cannot_be_written_is_ended(krustlet: Command, module: Modules) -> None:
    module("sleep")
    result = shell(krustlet, "$K run sleep.wasm >/dev/full")
    assert (result.code, "cannot write to stdout" in result.stderr) == (1, True)


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("guest", ["hello", "both"])
def test_without_stderr_the_guests_output_is_shown_all_the_same(
    krustlet: Command, module: Modules, guest: str, where: str
) -> None:
    name = module(guest)
    expected = krustlet("run", "-q", name, "5").stdout
    result = shell(krustlet, f"$K run --log-level debug {name} 5 {where}")
    assert (result.code, result.stdout) == (0, expected)


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_without_stderr_the_result_is_shown_all_the_same(
    krustlet: Command, module: Modules, where: str
) -> None:
    module("hello")
    result = shell(krustlet, f"$K run -o json hello.wasm {where}")
    assert (result.code, '"phase": "Succeeded"' in result.stdout) == (0, True)


def test_without_any_stream_the_exit_code_is_left(krustlet: Command, module: Modules) -> None:
    module("exit")
    assert shell(krustlet, "$K run exit.wasm 7 <&- >&- 2>&-").code == 7
    assert shell(krustlet, "$K run none.wasm <&- >&- 2>&-").code == 1


@pytest.mark.parametrize("command", ["run -q -o json hello.wasm", "version", "run --help"])
def test_a_result_that_nobody_reads_ends_as_by_sigpipe(
    krustlet: Command, module: Modules, command: str
) -> None:
    module("hello")
    result = shell(krustlet, f"exec 3>&1; {{ $K {command}; echo $? >&3; }} | true")
    printed = "Hello, world!\n" if command.startswith("run -q") else ""
    assert (result.stdout, result.stderr) == (f"{SIGPIPE_CODE}\n", printed)


def test_a_pod_whose_stderr_nobody_reads_is_ended(krustlet: Command) -> None:
    (krustlet.directory / "on.wat").write_text(ON_AND_ON)
    result = shell(krustlet, "$K run -q on.wat 2>&1 | head -n 1")
    assert (result.code, result.stdout) == (SIGPIPE_CODE, ".\n")


def test_no_manifest_comes_from_a_closed_stdin(krustlet: Command) -> None:
    result = shell(krustlet, "$K run - <&-")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == "error: cannot read <stdin>: Bad file descriptor\n"


@pytest.mark.parametrize("target", ["- </dev/zero", "endless.yaml", "- <large.yaml", "large.yaml"])
def test_a_manifest_without_end_is_not_read_to_its_end(krustlet: Command, target: str) -> None:
    (krustlet.directory / "endless.yaml").symlink_to("/dev/zero")
    with (krustlet.directory / "large.yaml").open("wb") as file:
        file.truncate(20 << 30)  # of holes
    result = shell(krustlet, f"ulimit -v 2000000; $K run {target}")
    assert (result.code, result.stdout) == (1, "")
    assert "is larger than 16 MiB\nhint: is it a manifest?\n" in result.stderr


def test_a_manifest_that_is_no_text(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    result = shell(krustlet, "$K run - <odd")
    assert (result.code, result.stderr) == (
        1,
        "error: <stdin> is not UTF-8 text\nhint: is it a manifest?\n",
    )


def test_a_full_disk_is_named(krustlet: Command, module: Modules, tmp_path: Path) -> None:
    """A limit stands in for it: to mount a small disk, one has to be root."""
    name = module("hello")
    assert krustlet("run", name).code == 0  # compiling sets a limit of its own
    result = shell(krustlet, f"ulimit -f 0; $K run -q {name}")
    assert result.code == 1
    assert str(krustlet.data) in result.stderr
    assert "Traceback" not in result.stderr


def test_too_few_descriptors_are_told_with_what_to_do(krustlet: Command, module: Modules) -> None:
    module("hello")
    result = shell(krustlet, "ulimit -n 12; $K run -q hello.wasm")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: cannot run anything: Too many open files\nhint: let it open more: ulimit -n 4096\n"
    )


def test_a_current_directory_that_is_gone_is_said(krustlet: Command, module: Modules) -> None:
    path = krustlet.directory / module("hello")
    result = shell(krustlet, f"mkdir gone; cd gone; rmdir ../gone; $K run {path}")
    assert (result.code, result.stdout) == (1, "")
    assert "the current directory does not exist any more" in result.stderr
