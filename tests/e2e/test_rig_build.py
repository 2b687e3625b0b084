"""The programs of the rig are built once, or found ready-made."""

import subprocess
from pathlib import Path

import pytest

from tests.support.controlplane import CONTROL_PLANE, ControlPlaneError, NotBuilt, Programs
from tests.support.go_module import GoModule
from tests.support.go_toolchain import GoError


@pytest.fixture
def module(tmp_path: Path, programs: Programs) -> GoModule:
    """A Go module that is built in no time."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "go.mod").write_text("module example.com/hello\n\ngo 1.26\n")
    (sources / "go.sum").touch()
    (sources / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    return GoModule(sources=sources, binary="hello", programs=("hello", "bonjour"))


def test_a_module_is_built_again_when_its_sources_change_and_only_then(
    module: GoModule, tmp_path: Path
) -> None:
    def built() -> tuple[str, int]:
        programs = Programs(tmp_path / "cache", modules=[module])
        programs.build_all()
        path = programs.path("bonjour")
        said = subprocess.run([path], capture_output=True, text=True, check=True).stderr
        return said, path.stat().st_mtime_ns

    first, again = built(), built()
    source = module.sources / "main.go"
    source.write_text(source.read_text().replace("hello", "good day"))
    changed = built()

    assert first == again
    assert (first[0], changed[0]) == ("hello\n", "good day\n")
    assert [path.name for path in (tmp_path / "cache/controlplane").glob(".*")] == []


def test_a_module_that_does_not_compile_says_where(module: GoModule, tmp_path: Path) -> None:
    (module.sources / "main.go").write_text("package main\n\nfunc main() { hello() }\n")

    with pytest.raises(GoError, match=r"main\.go:3:\d+: undefined: hello"):
        Programs(tmp_path / "cache", modules=[module]).build_all()

    assert [path.name for path in (tmp_path / "cache/controlplane").iterdir()] == ["lock"]


def test_nothing_is_built_by_asking_where_it_is(module: GoModule, tmp_path: Path) -> None:
    programs = Programs(tmp_path / "cache", modules=[module])

    with pytest.raises(
        NotBuilt, match=r"hello is not built.*python -m tests\.support\.controlplane"
    ):
        programs.path("hello")


def test_ready_made_programs_are_used_if_they_are_whole(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in CONTROL_PLANE:
        (assets / name).touch()
    programs = Programs(tmp_path, {"KUBEBUILDER_ASSETS": str(assets)})
    assert programs.path("kube-scheduler") == assets / "kube-scheduler"

    (assets / "kube-scheduler").unlink()

    with pytest.raises(ControlPlaneError, match="lacks kube-scheduler"):
        Programs(tmp_path, {"KUBEBUILDER_ASSETS": str(assets)}).path("etcd")
