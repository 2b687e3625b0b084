"""The import contracts of pyproject.toml, on a house of empty rooms with a few imports in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent

WELCOME = [
    ("kubelet", "server"),
    ("pods", "provider"),
    ("status", "kube"),
    ("node", "kube"),
    ("provider", "process"),
    ("provider", "images"),
    ("providers.wasi", "provider"),
    ("providers.wasi", "wasm"),
    ("providers.wasi", "process"),
    ("volumes", "images"),
    ("wasm", "process"),
    ("process", "base"),
]
REFUSED = [
    ("server", "kubelet"),
    ("pods", "kube"),
    ("pods", "sources"),
    ("node", "pods"),
    ("node", "status"),
    ("provider", "pods"),
    ("provider", "volumes"),
    ("provider", "wasm"),
    ("providers.wasi", "images"),
    ("providers.wasi", "volumes"),
    ("providers.wasi", "kube"),
    ("images", "process"),
    ("images", "kube"),
    ("volumes", "process"),
    ("volumes", "wasm"),
    ("process", "wasm"),
    ("process", "objects"),
    ("wasm", "images"),
    ("base", "objects"),
]
ROOMS = sorted({"providers", *(room for edge in WELCOME + REFUSED for room in edge)})


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for room in ("", *ROOMS):
        folder = tmp_path / "krustlet" / room.replace(".", "/")
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(house: Path, edges: Iterable[tuple[str, str]]) -> tuple[int, str]:
    """The exit code and the report for a house in which just these rooms import each other."""
    for importer, imported in edges:
        module = house / "krustlet" / importer.replace(".", "/") / "__init__.py"
        with module.open("a") as source:
            source.write(f"import krustlet.{imported}\n")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(house)}
    done = subprocess.run(
        command, cwd=house, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_an_import_down_the_house_is_welcome(house: Path) -> None:
    code, report = lint_imports(house, WELCOME)
    assert code == 0, report


def test_any_other_import_is_refused(house: Path) -> None:
    code, report = lint_imports(house, REFUSED)
    assert code == 1, report
    lines = [f"krustlet.{importer} -> krustlet.{imported}" for importer, imported in REFUSED]
    assert [line for line in lines if line not in report] == []


def test_a_room_without_a_place_is_refused(house: Path) -> None:
    (house / "krustlet" / "attic.py").touch()
    code, report = lint_imports(house, [])
    assert code == 1, report
    assert "attic" in report
