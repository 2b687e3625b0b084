"""Find the credentials that this user has for a registry, as Docker's own commands do.

Owns asking credential helpers. Leaves the file's `auths` to `keyring.py`. A node does not come
here: helpers are made for people.

Source: docker-credential-helpers, "Development"; Docker's docs, "docker login".
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from krustlet.images.errors import ImageError, PullSecretInvalid
from krustlet.images.keyring import FILE_HINT, NOT_DOCKERS, Credentials, Keyring, credentials_of
from krustlet.images.reference import RegistryReference

_HUB: Final = "docker.io"
_HUB_SERVER: Final = "https://index.docker.io/v1/"
_PATIENCE_S: Final = 60.0  # some ask the user for a password of their own


class HelperFailed(ImageError):
    """The program that keeps the user's credentials does not answer."""


class _Helpers(msgspec.Struct, frozen=True):
    credsStore: str = ""  # noqa: N815 - as the file has it
    credHelpers: dict[str, str] = {}  # noqa: N815


class _Kept(msgspec.Struct, frozen=True):
    Username: str = ""
    Secret: str = ""


def docker_config(environment: Mapping[str, str]) -> Path:
    """Where Docker's own commands keep this user's credentials; there may be no such file."""
    # Unlike Path.home(), this minds no user without a home directory.
    return Path(environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "config.json")


async def users_credentials(config: Path, image: RegistryReference) -> Credentials:
    """What the user who owns `config` would show for `image`; empty credentials, if nothing.

    Raises:
        PullSecretInvalid: the file makes no sense.
        HelperFailed: it names a helper that does not do its work.
    """
    keyring = await asyncio.to_thread(Keyring.from_file, config)
    name = await asyncio.to_thread(_helper, config, image.registry)
    if name:
        server = _HUB_SERVER if image.registry == _HUB else image.registry
        if kept := await _ask(name, server):
            return kept
    return next(iter(keyring.look_up(image)), Credentials())


def _helper(config: Path, registry: str) -> str:
    try:
        helpers = msgspec.json.decode(config.read_bytes(), type=_Helpers)
    except FileNotFoundError:
        return ""
    except msgspec.MsgspecError:
        raise PullSecretInvalid(str(config), NOT_DOCKERS, hint=FILE_HINT) from None
    return helpers.credHelpers.get(registry, helpers.credsStore)


async def _ask(name: str, server: str) -> Credentials | None:
    program = f"docker-credential-{name}"
    if "/" in name:
        raise HelperFailed(f"{name!r} is no name of a credential helper")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as exc:
        raise HelperFailed(
            f"cannot run {program}, which keeps your credentials: {exc.strerror}",
            hint="install it, or give --creds",
        ) from exc
    try:
        async with asyncio.timeout(_PATIENCE_S):
            stdout, _ = await process.communicate(server.encode())
    except TimeoutError as exc:
        raise HelperFailed(f"{program} does not answer", hint="give --creds") from exc
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        return None  # so it says that it has none
    try:
        kept = msgspec.json.decode(stdout, type=_Kept)
    except msgspec.MsgspecError:
        raise HelperFailed(f"{program} does not answer in JSON") from None
    return credentials_of(kept.Username, kept.Secret)
