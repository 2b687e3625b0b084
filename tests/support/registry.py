"""A real image registry for tests: Distribution, over TLS, with passwords if wanted.

Owns one directory, and a program that ends with this process.
"""

import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import yaml

from tests.support.authority import Authority
from tests.support.children import Child, EitherWay, wait_until
from tests.support.controlplane import Programs
from tests.support.guests import default_cache

WASM: Final = "application/wasm"

_HOST: Final = "127.0.0.1"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.wasm.config.v0+json"
_LISTENS: Final = re.compile(rf"listening on {re.escape(_HOST)}:(\d+)")
_READY_WITHIN_S: Final = 30.0
_GRACE_S: Final = 2.0
_LIMIT_S: Final = 30.0


class Answer(msgspec.Struct, frozen=True):
    """What a registry said; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Registry:
    """A registry that runs: `with Registry.start(directory) as registry`.

    Attributes:
        address: host and port, as an image reference begins.
        ca: who signed its certificate.
    """

    def __init__(self, port: int, ca: Path, users: Mapping[str, str]) -> None:
        self.address = f"{_HOST}:{port}"
        self.ca = ca
        self._port = port
        self._users = users
        self._trust = ssl.create_default_context(cafile=ca)

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        programs: Programs | None = None,
    ) -> "EitherWay[Registry]":
        """A registry that answers once entered, with `with` or `async with`.

        Args:
            directory: its own; need not exist, and is gone afterwards.
            users: passwords by name; with none, everybody may pull and push.

        Raises:
            NotBuilt: on entering, if it has yet to be built.
            ChildError: on entering, with its last words if it does not start.
        """
        return EitherWay(_running(directory, users or {}, programs or Programs(default_cache())))

    def push(self, repository: str, tag: str, layer: bytes, *, media_type: str = WASM) -> str:
        """Push an image of one layer.

        Returns:
            The digest of its manifest.
        """
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._push_blob(repository, b"{}", _CONFIG),
            "layers": [self._push_blob(repository, layer, media_type)],
        }
        body = json.dumps(manifest).encode()
        path = f"/v2/{repository}/manifests/{tag}"
        answer = self._pushed("PUT", path, body, content_type=_MANIFEST)
        return answer.headers["docker-content-digest"]

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        user: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What it answers to `user`, or to anybody."""
        said = {"Accept": _MANIFEST, **(headers or {})}
        if user is not None:
            password = self._users[user]
            said["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        connection = http.client.HTTPSConnection(
            _HOST, self._port, timeout=_LIMIT_S, context=self._trust
        )
        try:
            connection.request(method, path, body, said)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def _push_blob(self, repository: str, blob: bytes, media_type: str) -> dict[str, str | int]:
        """Its descriptor. Source: OCI distribution-spec v1.1, "Pushing a blob monolithically"."""
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        begun = self._pushed("POST", f"/v2/{repository}/blobs/uploads/")
        location = begun.headers["location"].removeprefix(f"https://{self.address}")
        glue = "&" if "?" in location else "?"
        self._pushed("PUT", f"{location}{glue}digest={digest}", blob)
        return {"mediaType": media_type, "digest": digest, "size": len(blob)}

    def _pushed(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/octet-stream",
    ) -> Answer:
        user = next(iter(self._users), None)
        answer = self.request(method, path, body, user=user, headers={"Content-Type": content_type})
        assert answer.status in (201, 202), f"{method} {path}: {answer}"
        return answer


@contextmanager
def _running(directory: Path, users: Mapping[str, str], programs: Programs) -> Iterator[Registry]:
    directory.mkdir(parents=True, exist_ok=True)
    program = programs.path("registry")
    authority = Authority.create(directory / "pki", "registry")
    config = directory / "config.yaml"
    config.write_text(yaml.safe_dump(_config(directory, authority, users, program)))
    child = Child(
        "registry",
        [program, "serve", config],
        log=directory / "log",
        environment={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
    )
    try:
        child.start()
        wait_until(lambda: _port(child) is not None, children=[child], within_s=_READY_WITHIN_S)
        port = _port(child)
        assert port is not None
        yield Registry(port, authority.certificate, users)
        child.check()
    finally:
        child.stop(grace_s=_GRACE_S)
        shutil.rmtree(directory)


def _config(
    directory: Path, authority: Authority, users: Mapping[str, str], program: Path
) -> dict[str, object]:
    """Source: Distribution's docs, "Configuring a registry"."""
    serving = authority.issue("registry", hosts=[_HOST, "localhost"])
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "images")},
            "delete": {"enabled": True},
        },
        "http": {
            "addr": f"{_HOST}:0",
            "secret": secrets.token_hex(),
            "tls": {"certificate": str(serving.certificate), "key": str(serving.key)},
        },
    }
    if users:
        passwords = directory / "htpasswd"
        passwords.write_text("".join(_htpasswd(program, *user) for user in users.items()))
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(passwords)}}
    return config


def _htpasswd(program: Path, user: str, password: str) -> str:
    """A line for the file: only bcrypt is accepted there, which Python cannot do by itself."""
    return subprocess.run(
        [program, "htpasswd", user],
        input=password,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=True,
    ).stdout


def _port(child: Child) -> int | None:
    """Which one the kernel gave it, once it says so."""
    listens = _LISTENS.search(child.log.read_text())
    return int(listens[1]) if listens else None
