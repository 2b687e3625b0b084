"""A real registry; where it is not built yet, its tests are skipped and say how to."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.controlplane import NotBuilt, Programs
from tests.support.guests import default_cache
from tests.support.registry import Registry

USERS = {"alice": "correct horse"}


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Distribution, over TLS; alice may do everything, others nothing."""
    programs = Programs(default_cache())
    try:
        programs.path("registry")
    except NotBuilt as missing:
        pytest.skip(str(missing))
    directory = tmp_path_factory.mktemp("registry")
    with Registry.start(directory, users=USERS, programs=programs) as registry:
        yield registry


@pytest.fixture
def certs(real: Registry, tmp_path: Path) -> Path:
    """A directory of certificates in which the registry's authority is."""
    directory = tmp_path / "certs"
    (directory / real.address).mkdir(parents=True)
    shutil.copy(real.ca, directory / real.address / "ca.crt")
    return directory
