"""Credential helpers are programs of the user's."""

import json
import os
from pathlib import Path

import pytest

from krustlet.images import Credentials, users_credentials
from krustlet.images.login import HelperFailed
from krustlet.images.reference import RegistryReference

IMAGE = RegistryReference("reg.io", "hello", tag="v1")
HUB = RegistryReference("docker.io", "library/hello", tag="v1")


class Docker:
    """A configuration of Docker's, and helpers in a PATH of their own."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "config.json"
        self._programs = directory / "bin"
        self._programs.mkdir()

    @property
    def path(self) -> str:
        return f"{self._programs}{os.pathsep}{os.environ['PATH']}"

    def helper(self, name: str, script: str) -> None:
        program = self._programs / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def configure(self, **settings: object) -> None:
        self.config.write_text(json.dumps(settings))


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    docker = Docker(tmp_path)
    monkeypatch.setenv("PATH", docker.path)
    return docker


async def test_the_helper_of_a_registry_is_asked_for_it(docker: Docker) -> None:
    docker.helper(
        "mine", 'read server; echo "{\\"Username\\": \\"$1\\", \\"Secret\\": \\"$server\\"}"'
    )
    docker.configure(credHelpers={"reg.io": "mine"}, credsStore="missing")
    assert await users_credentials(docker.config, IMAGE) == Credentials(
        username="get", password="reg.io"
    )


async def test_docker_hub_has_a_name_of_its_own_there(docker: Docker) -> None:
    docker.helper(
        "mine", 'read server; echo "{\\"Username\\": \\"u\\", \\"Secret\\": \\"$server\\"}"'
    )
    docker.configure(credsStore="mine")
    credentials = await users_credentials(docker.config, HUB)
    assert credentials.password == "https://index.docker.io/v1/"


async def test_a_token_that_a_helper_keeps_is_known_as_one(docker: Docker) -> None:
    docker.helper("mine", 'cat > /dev/null; echo \'{"Username": "<token>", "Secret": "t"}\'')
    docker.configure(credsStore="mine")
    assert await users_credentials(docker.config, IMAGE) == Credentials(identity_token="t")


async def test_what_the_helper_does_not_have_may_be_in_the_file(docker: Docker) -> None:
    docker.helper("mine", "echo credentials not found; exit 1")
    docker.configure(credsStore="mine", auths={"reg.io": {"username": "u", "password": "p"}})
    assert (await users_credentials(docker.config, IMAGE)).username == "u"


async def test_a_helper_that_is_missing_is_named(docker: Docker) -> None:
    docker.configure(credsStore="missing")
    with pytest.raises(HelperFailed, match="docker-credential-missing") as failed:
        await users_credentials(docker.config, IMAGE)
    assert "--creds" in failed.value.hint


async def test_what_a_helper_says_is_not_repeated(docker: Docker) -> None:
    docker.helper("mine", "cat > /dev/null; echo s3cret")
    docker.configure(credsStore="mine")
    with pytest.raises(HelperFailed) as failed:
        await users_credentials(docker.config, IMAGE)
    assert "s3cret" not in f"{failed.value}{failed.value.hint}"


async def test_a_helper_is_no_path(docker: Docker) -> None:
    docker.configure(credsStore="x/../../mine")
    with pytest.raises(HelperFailed, match="no name of a credential helper"):
        await users_credentials(docker.config, IMAGE)
