"""Build a Kubernetes control plane from `tests/controlplane`, and say where its programs are.

Owns the cache they are kept in, outside the tree and shared by all checkouts: a module is built
again only when its sources, Go or the flags below change. The first build compiles two thousand
packages and takes minutes, so no test begins one: `python -m tests.support.controlplane` does.

Leaves running them to `cluster.py`, and which Go does it to `go_toolchain.py`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.support.go_module import GoModule
from tests.support.go_toolchain import GoError, Toolchain, find_go
from tests.support.guests import default_cache

SOURCES: Final = Path(__file__).parent.parent / "controlplane"
BUILD_COMMAND: Final = ".venv/bin/python -m tests.support.controlplane"

CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

_ASSETS_VARIABLE: Final = "KUBEBUILDER_ASSETS"  # envtest's: a directory with ready-made programs
_OLDEST_KUBECTL: Final = (1, 27)


class ControlPlaneError(Exception):
    """A program of the control plane cannot be had; the words say what to do."""


class NotBuilt(ControlPlaneError):
    """It could be, but nobody has asked for that yet."""


KUBERNETES: Final = GoModule(
    sources=SOURCES,
    binary="controlplane",
    programs=(*CONTROL_PLANE, "kubectl"),
)
REGISTRY: Final = GoModule(
    sources=SOURCES / "registry",
    binary="registry",
    programs=("registry",),
)


class Programs:
    """The programs of a control plane by name, from wherever this machine has them."""

    def __init__(
        self,
        cache: Path,
        environment: Mapping[str, str] = os.environ,
        modules: Sequence[GoModule] = (KUBERNETES, REGISTRY),
    ) -> None:
        self._cache = cache / "controlplane"
        self._environment = environment
        self._modules = modules

    def path(self, name: str) -> Path:
        """Where the program `name` is.

        Raises:
            NotBuilt: it is in the cache, or would be.
            ControlPlaneError: ready-made ones were asked for, but some are missing there.
        """
        if (ready_made := self._ready_made(name)) is not None:
            return ready_made
        module = next(module for module in self._modules if name in module.programs)
        if module in self._missing():
            raise NotBuilt(f"{name} is not built; build it once, in minutes: {BUILD_COMMAND}")
        return self._directory(module) / name

    def check(self) -> None:
        """Nothing, if there is nothing left to build.

        Raises:
            NotBuilt: there is.
        """
        if missing := [name for module in self._missing() for name in module.programs]:
            raise NotBuilt(
                f"not built: {', '.join(missing)}; build them once, in minutes: {BUILD_COMMAND}"
            )

    def build_all(self) -> None:
        """Build whatever is missing, with words on stderr on how far that is.

        Raises:
            GoError: one does not build, or takes for ever, or there is no Go.
        """
        for module in self._missing():
            module.build(self._directory(module), self._go)

    def _missing(self) -> list[GoModule]:
        return [
            module
            for module in self._modules
            if any(self._ready_made(name) is None for name in module.programs)
            and not self._directory(module).exists()
        ]

    def _ready_made(self, name: str) -> Path | None:
        """The program `name` if this machine has one that need not be built."""
        if name in CONTROL_PLANE and self._assets is not None:
            return self._assets / name
        return self._installed_kubectl if name == "kubectl" else None

    @cached_property
    def _assets(self) -> Path | None:
        if not (chosen := self._environment.get(_ASSETS_VARIABLE)):
            return None
        missing = [name for name in CONTROL_PLANE if not (Path(chosen) / name).exists()]
        if missing:
            raise ControlPlaneError(
                f"{_ASSETS_VARIABLE}={chosen} lacks {', '.join(missing)};"
                f" put them there, or unset it and have all built: {BUILD_COMMAND}"
            )
        return Path(chosen)

    @cached_property
    def _installed_kubectl(self) -> Path | None:
        """The one on the path, as that is what a person here would use, unless it is too old."""
        found = shutil.which("kubectl", path=self._environment.get("PATH"))
        return Path(found) if found and _kubectl_version(found) >= _OLDEST_KUBECTL else None

    @cached_property
    def _go(self) -> Toolchain:
        return find_go(self._cache, self._environment)

    def _directory(self, module: GoModule) -> Path:
        return self._cache / module.key(self._go)


def _kubectl_version(kubectl: str) -> tuple[int, int]:
    """Its version, or one before all others if it does not say."""
    try:
        said = subprocess.run(
            [kubectl, "version", "--client", "-o", "json"],
            capture_output=True,
            timeout=20,
            check=True,
        )
        version = json.loads(said.stdout)["clientVersion"]
        return int(version["major"]), int(version["minor"].rstrip("+"))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return (0, 0)


if __name__ == "__main__":
    try:
        Programs(default_cache()).build_all()
    except (ControlPlaneError, GoError) as error:
        sys.exit(f"\n{error}")
