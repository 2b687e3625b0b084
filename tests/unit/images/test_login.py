import json
from pathlib import Path

import pytest

from krustlet.images import PullSecretInvalid, docker_config, users_credentials
from krustlet.images.reference import RegistryReference

IMAGE = RegistryReference("reg.io", "hello", tag="v1")


def test_the_file_is_where_docker_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert docker_config({}) == Path("/home/me/.docker/config.json")
    assert docker_config({"DOCKER_CONFIG": "/etc/d"}) == Path("/etc/d/config.json")


async def test_credentials_in_the_file_are_used(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    assert not await users_credentials(config, IMAGE)
    config.write_text(json.dumps({"auths": {"reg.io": {"username": "u", "password": "p"}}}))
    assert (await users_credentials(config, IMAGE)).username == "u"


async def test_a_file_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text("s3cret")
    with pytest.raises(PullSecretInvalid, match=r"config\.json") as invalid:
        await users_credentials(config, IMAGE)
    assert "s3cret" not in str(invalid.value)
    assert "docker login" in invalid.value.hint
    assert "kubectl" not in invalid.value.hint
