"""The Makefile, as far as it can be run from inside a test run."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent


def make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


def test_make_without_a_target_lists_all_targets() -> None:
    listed = [line.split()[1] for line in make().splitlines() if line.startswith("  make ")]
    use = ["help", "build", "run"]
    change = ["test", "test-e2e", "test-unit", "check", "fmt", "bench", "cluster"]
    keep = ["lock", "clean"]
    assert listed == [*use, *change, *keep]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """What looks to make like an environment that is up to date."""
    directory = tmp_path / "venv"
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").touch()
    (directory / ".run-ready").touch()
    return directory


def test_a_second_run_installs_nothing(venv: Path) -> None:
    done = make("--dry-run", f"VENV={venv}", "run")
    assert done == f"{venv}/bin/krustlet run examples/hello.yaml\n"


def test_a_run_after_the_requirements_changed_installs_them(venv: Path) -> None:
    os.utime(venv / ".run-ready", (0, 0))
    done = make("--dry-run", f"VENV={venv}", "run")
    assert "--require-hashes -r requirements/run.txt -r requirements/build.txt" in done
    assert done.endswith(f"{venv}/bin/krustlet run examples/hello.yaml\n")


def test_without_a_python_that_is_new_enough_it_says_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        make(f"VENV={tmp_path / 'venv'}", f"PYTHON={old}", "build")
    assert "needs Python 3.11 or newer" in failed.value.stderr
    assert not (tmp_path / "venv").exists()
