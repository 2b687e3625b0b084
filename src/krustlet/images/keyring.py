"""Find the credentials that go with an image, as the kubelet does.

Owns what Docker's two configuration formats mean, and which of their entries fit an image. Leaves
fetching Secrets to the pods, and showing credentials to a registry to `auth.py`.

Source: kubernetes pkg/credentialprovider/keyring.go and config.go.
"""

import base64
import binascii
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from krustlet.images.errors import PullSecretInvalid
from krustlet.images.reference import RegistryReference
from krustlet.objects import Secret

_JSON_TYPE: Final = "kubernetes.io/dockerconfigjson"
_JSON_KEY: Final = ".dockerconfigjson"
_OLD_TYPE: Final = "kubernetes.io/dockercfg"
_OLD_KEY: Final = ".dockercfg"

NOT_DOCKERS: Final = "it is not in the format of Docker"
_SECRET_HINT: Final = "make it anew: kubectl create secret docker-registry"  # noqa: S105 - none
FILE_HINT: Final = "mend it, or remove it and have 'docker login' make it anew"

_HUB: Final = "docker.io"
_HUB_KEY: Final = "index.docker.io"  # under which `docker login` keeps those of docker.io
_TOKEN_USER: Final = "<token>"  # noqa: S105 - docker-credential-helpers: the password is a token


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What to show to one registry; its repr shows nothing.

    Attributes:
        identity_token: to be exchanged for an access token, in place of a password.
        registry_token: an access token, to be shown as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []

    def __bool__(self) -> bool:
        return any((self.username, self.password, self.identity_token, self.registry_token))


class _Entry(msgspec.Struct, frozen=True):
    """One registry's in a Docker configuration file."""

    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _DockerConfig(msgspec.Struct, frozen=True):
    auths: dict[str, _Entry] = {}


_new_format = msgspec.json.Decoder(_DockerConfig)
_old_format = msgspec.json.Decoder(dict[str, _Entry])


class Invalid(Exception):
    """These are no credentials; tells why, and nothing of what was found; never leaves the room."""


class _Place(NamedTuple):
    """Which images an entry is for.

    Attributes:
        host: a glob for each label.
        path: how repositories begin, with the slash before them; empty for all.
    """

    host: tuple[str, ...]
    port: str
    path: str

    def fits(self, image: "_Place") -> bool:
        return (
            self.port == image.port
            and len(self.host) == len(image.host)
            and image.path.startswith(self.path)
            and all(map(fnmatchcase, image.host, self.host))
        )


class Keyring:
    """Credentials by the images they are for; immutable, and silent about what it holds."""

    def __init__(self, entries: Iterable[tuple[str, Credentials]] = ()) -> None:
        """Keep each entry under its key, as Docker writes it: `https://index.docker.io/v1/`."""
        places: dict[str, list[Credentials]] = {}
        for key, credentials in entries:
            if credentials:
                places.setdefault(_bare(key), []).append(credentials)
        # In reverse, the more specific of two paths on one host comes first.
        self._entries = [(key, _place(key), tuple(places[key])) for key in sorted(places)[::-1]]

    def __repr__(self) -> str:
        return f"Keyring({[key for key, _, _ in self._entries]})"

    @classmethod
    def empty(cls) -> "Keyring":
        return _EMPTY

    @classmethod
    def from_secrets(cls, secrets: Iterable[Secret]) -> "Keyring":
        """What the Secrets of the two Docker types hold; others are passed over.

        Raises:
            PullSecretInvalid: one of them is not what its type says.
        """
        entries: list[tuple[str, Credentials]] = []
        for secret in secrets:
            where = f"Secret {secret.metadata.namespace}/{secret.metadata.name}"
            try:
                if secret.type == _JSON_TYPE and (data := secret.data.get(_JSON_KEY)):
                    entries += _read(data)
                elif secret.type == _OLD_TYPE and (data := secret.data.get(_OLD_KEY)):
                    entries += _read(data, old=True)
            except Invalid as exc:
                raise PullSecretInvalid(where, str(exc), hint=_SECRET_HINT) from None
        return cls(entries) if entries else _EMPTY

    @classmethod
    def from_file(cls, path: Path) -> "Keyring":
        """What a `config.json` of Docker's holds; nothing, where there is none.

        Raises:
            PullSecretInvalid: it cannot be read, or makes no sense.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return _EMPTY
        except OSError as exc:
            why = exc.strerror or str(exc)
            raise PullSecretInvalid(str(path), why, hint="let this user read it") from exc
        try:
            return cls(_read(data))
        except Invalid as exc:
            raise PullSecretInvalid(str(path), str(exc), hint=FILE_HINT) from None

    def look_up(self, image: RegistryReference) -> tuple[Credentials, ...]:
        """All that may fit, the more specific first: several, where they are being rotated."""
        wanted = _place(f"{image.registry}/{image.repository}")
        found = [c for _, place, entry in self._entries if place.fits(wanted) for c in entry]
        if not found and image.registry == _HUB:
            found = [c for key, _, entry in self._entries if key == _HUB_KEY for c in entry]
        return tuple(dict.fromkeys(found))


_EMPTY: Final = Keyring()


def _read(data: bytes, *, old: bool = False) -> list[tuple[str, Credentials]]:
    try:
        entries = _old_format.decode(data) if old else _new_format.decode(data).auths
    except msgspec.MsgspecError:
        # Without the cause, as that may quote what it has found.
        raise Invalid(NOT_DOCKERS) from None
    return [(key, _credentials(entry)) for key, entry in entries.items()]


def _credentials(entry: _Entry) -> Credentials:
    username, password = entry.username, entry.password
    if entry.auth:
        username, password = _decode(entry.auth)
    return credentials_of(
        username,
        password,
        identity_token=entry.identitytoken,
        registry_token=entry.registrytoken,
    )


def credentials_of(
    username: str, password: str, *, identity_token: str = "", registry_token: str = ""
) -> Credentials:
    """Credentials in which a token that poses as a password is what it is."""
    if username == _TOKEN_USER:
        username, password, identity_token = "", "", password
    return Credentials(
        username=username,
        password=password,
        identity_token=identity_token,
        registry_token=registry_token,
    )


def _decode(auth: str) -> tuple[str, str]:
    """Name and password; the padding may be missing, and often is where a script wrote it."""
    text = auth.strip().rstrip("=")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Invalid("an auth in it is not base64") from None
    username, colon, password = decoded.partition(":")
    if not colon:
        raise Invalid("an auth in it is not name:password in base64")
    return username, password.rstrip("\0")  # docker's own reader cuts these off, too


def _bare(key: str) -> str:
    """The key without scheme, and without the API's version that stands for the whole registry."""
    for scheme in ("https://", "http://"):
        key = key.removeprefix(scheme)
    host, _, path = key.partition("/")
    for version in ("v1/", "v2/"):
        path = path.removeprefix(version)
    return f"{host}/{path}" if path else host


def _place(key: str) -> _Place:
    host, slash, path = key.partition("/")
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, ""
    # The brackets around an IPv6 address are none of a glob.
    labels = (name.strip("[]"),) if name.startswith("[") else tuple(name.split("."))
    return _Place(labels, port, f"{slash}{path}")
