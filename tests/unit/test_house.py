"""What the files around the source promise each other."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent
LOCKED = ["run", "build", "test", "go", "bench"]


def make_targets(pattern: str) -> set[str]:
    return set(re.findall(pattern, (ROOT / "Makefile").read_text(), re.MULTILINE))


def requirement_lines(name: str) -> list[str]:
    """Each requirement of one file with all its options on one line; comments left out."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    return [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]


def pins(name: str) -> dict[str, str]:
    return dict(line.split()[0].split("==") for line in requirement_lines(name))


def asked_for(name: str) -> list[str]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if name == "run":
        return list(project["project"]["dependencies"])
    return list(project["dependency-groups"][name])


def test_help_tells_of_every_target() -> None:
    targets = make_targets(r"^\.PHONY: (\S+)$")
    assert targets >= {"run", "test", "test-unit", "check", "fmt", "bench", "lock", "clean", "help"}
    assert make_targets(r"^([a-z0-9-]+):.* ## \S") == targets


def test_just_only_names_what_make_does() -> None:
    called = re.findall(r"^    (.+)$", (ROOT / "justfile").read_text(), re.MULTILINE)
    assert {f"make {target}" for target in make_targets(r"^\.PHONY: (\S+)$")} >= set(called)


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("name", LOCKED)
def test_every_requirement_is_pinned_by_hash(name: str) -> None:
    lines = requirement_lines(name)
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


@pytest.mark.parametrize("name", LOCKED)
def test_requirements_do_not_say_where_to_download_from(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|index-url|find-links|trusted-host| @ |(?<!\S)/", text)


@pytest.mark.parametrize("name", LOCKED)
def test_what_is_asked_for_is_pinned(name: str) -> None:
    pinned = pins(name)
    for requirement in map(Requirement, asked_for(name)):
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), "run: make lock"


def test_all_requirements_fit_into_one_environment() -> None:
    everything: dict[str, str] = {}
    for name in LOCKED:
        for package, version in pins(name).items():
            assert everything.setdefault(package, version) == version, package


def test_the_licence_of_every_package_is_told() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| licence |")[2]
    told = set(re.findall(r"[a-z][a-z-]+", table))
    assert {package for name in LOCKED for package in pins(name)} - told == set()
