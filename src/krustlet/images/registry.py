"""Ask registries for manifests and blobs, and give them some.

Owns the protocol: which request means what, and which answers are acceptable. Every manifest is
checked against its digest here; a blob is not, as that is done where its bytes go (`store.py`).
Leaves connections to `transport.py`, signing in to `auth.py`, what a manifest says to
`manifest.py`, and pushing to `pushing.py`.

Source: OCI distribution-spec v1.1.
"""

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final, Self

import msgspec
from yarl import URL

from krustlet.images.auth import Authenticator, Denied
from krustlet.images.errors import (
    AccessDenied,
    DigestMismatch,
    ImageError,
    NotInRegistry,
    RegistryAnswerInvalid,
    RegistryUnavailable,
)
from krustlet.images.keyring import Credentials
from krustlet.images.manifest import MANIFEST_TYPES, Descriptor
from krustlet.images.reference import RegistryReference
from krustlet.images.transport import Answer, Body, Transport
from krustlet.images.trust import RegistrySettings, host_of

_HUB: Final = "docker.io"
_HUB_HOST: Final = "registry-1.docker.io"

MANIFEST_LIMIT_BYTES: Final = 4 * 1024 * 1024  # distribution-spec: what registries should accept
_COMPLAINT_LIMIT_BYTES: Final = 64 * 1024
_COMPLAINT_CHARS: Final = 200
_ACCEPT: Final = {"Accept": ", ".join(MANIFEST_TYPES)}
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

PULL: Final = "pull"
PUSH: Final = "pull,push"


class Fetched(msgspec.Struct, frozen=True):
    """A manifest as it came, and the digest that it has."""

    body: bytes
    digest: str
    content_type: str


class BlobStream:
    """A blob on its way.

    Attributes:
        offset: where in the blob it begins; 0 where the registry does not do parts.
    """

    def __init__(self, answer: Answer, offset: int) -> None:
        self.offset = offset
        self._answer = answer

    def chunks(self) -> AsyncIterator[bytes]:
        """See `Answer.chunks`."""
        return self._answer.chunks()


class _Complaint(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Complaints(msgspec.Struct, frozen=True):
    errors: list[_Complaint] = []


class Registry:
    """All registries there are; `async with` it."""

    def __init__(self, settings: RegistrySettings | None = None) -> None:
        self._settings = settings or RegistrySettings()
        self._transport = Transport(self._settings)
        self._authenticator = Authenticator(self._transport)

    @property
    def stall_s(self) -> float:
        """Longest silence of a registry."""
        return self._settings.stall_s

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.__aexit__()

    async def digest_of(
        self, image: RegistryReference, which: str, credentials: Credentials
    ) -> str | None:
        """What a tag stands for just now; None where the registry does not tell without sending.

        Args:
            which: a tag or a digest.

        Raises:
            NotInRegistry, AccessDenied, RegistryUnavailable, RegistryUntrusted,
                RegistryAnswerInvalid: as they say.
        """
        path = f"manifests/{which}"
        async with self.request("HEAD", image, path, credentials, headers=_ACCEPT) as answer:
            if answer.status != 200:
                raise await complaint(image, answer, credentials)
            digest = answer.headers.get("Docker-Content-Digest", "")
            return digest if _DIGEST.fullmatch(digest) else None

    async def manifest(
        self, image: RegistryReference, which: str, credentials: Credentials
    ) -> Fetched:
        """The manifest of a tag or digest; it has the digest that it was asked by.

        Raises:
            DigestMismatch: the registry sent another one.
            NotInRegistry, AccessDenied, RegistryUnavailable, RegistryUntrusted,
                RegistryAnswerInvalid: as they say.
        """
        path = f"manifests/{which}"
        async with self.request("GET", image, path, credentials, headers=_ACCEPT) as answer:
            if answer.status != 200:
                raise await complaint(image, answer, credentials)
            body = await answer.read(limit_bytes=MANIFEST_LIMIT_BYTES)
            promised = answer.headers.get("Docker-Content-Digest", "")
            content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        algorithm, colon, _ = which.partition(":")  # no tag holds a colon
        expected = which if colon else promised
        found = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if colon and algorithm != "sha256":
            found = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
        elif not _DIGEST.fullmatch(expected):
            expected = found
        if found != expected:
            raise DigestMismatch(f"{image}: its manifest", expected=expected, found=found)
        return Fetched(body, found, content_type)

    @contextlib.asynccontextmanager
    async def blob(
        self,
        image: RegistryReference,
        blob: Descriptor,
        credentials: Credentials,
        *,
        offset: int = 0,
    ) -> AsyncIterator[BlobStream]:
        """A blob, from `offset` on if the registry can do so; its bytes are not checked.

        Raises:
            RegistryAnswerInvalid: what it wants to send has another size than `blob`.
            NotInRegistry, AccessDenied, RegistryUnavailable, RegistryUntrusted: as they say.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        path = f"blobs/{blob.digest}"
        async with self.request("GET", image, path, credentials, headers=headers) as answer:
            if not (answer.status == 416 and offset):
                begins = _begin(answer, offset)
                if begins is None:
                    raise await complaint(image, answer, credentials)
                _check_length(image, blob, answer, begins)
                yield BlobStream(answer, begins)
                return
        async with self.blob(image, blob, credentials) as whole:  # parts are refused
            yield whole

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        image: RegistryReference,
        path: str,
        credentials: Credentials,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        scope: str = PULL,
    ) -> AsyncIterator[Answer]:
        """The answer to a request about a repository, signed in if the registry asks for that.

        Args:
            path: below the repository; or a whole URL, if the registry has named it.
            scope: what is to be done there, `PULL` or `PUSH`.

        Raises:
            AccessDenied, RegistryUnavailable, RegistryUntrusted, RegistryAnswerInvalid: as they
                say.
        """
        host = _HUB_HOST if image.registry == _HUB else image.registry
        home = URL(f"https://{host}/v2/{image.repository}/")
        is_url = "://" in path
        url = URL(path if is_url else f"{home}{path}", encoded=True)
        is_home = is_same_place(url, home)
        said = {**(headers or {})}
        wanted = f"repository:{image.repository}:{scope}"
        sent = None
        if is_home:  # elsewhere, our password is nobody's business
            sent = self._authenticator.known(host, wanted, credentials)
        for is_last in (False, True):
            if sent is not None:
                said["Authorization"] = sent
            async with self._transport.request(
                method, url, headers=said, body=body, step_down=not is_url
            ) as answer:
                if answer.status != 401 or answer.is_elsewhere or not is_home:
                    yield answer
                    return
                if is_last:
                    raise await complaint(image, answer, credentials)
                denied = answer
            try:
                sent = await self._authenticator.answer(
                    denied, host=host, scope=wanted, credentials=credentials, sent=sent
                )
            except Denied:
                raise AccessDenied(
                    image, registry=image.registry, with_credentials=bool(credentials)
                ) from None


def is_same_place(one: URL, other: URL) -> bool:
    """Whether both are served by one host: the port that a scheme implies is any scheme's."""
    ports = (one.explicit_port, other.explicit_port)
    is_same_port = one.port == other.port or ports == (None, None)
    return (one.host or "").lower() == (other.host or "").lower() and is_same_port


def _begin(answer: Answer, asked: int) -> int | None:
    """Where what the registry sends begins; None if it sends no blob."""
    if answer.status == 200:
        return 0
    if answer.status == 206:
        begins = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if begins is None or int(begins[1]) != asked:
            raise RegistryAnswerInvalid(f"{host_of(answer.url)} sends another part than asked for")
        return asked
    return None


def _check_length(image: RegistryReference, blob: Descriptor, answer: Answer, begins: int) -> None:
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and begins + int(length) != blob.size:
        raise RegistryAnswerInvalid(
            f"{image}: its blob {blob.digest} has {begins + int(length)} bytes instead of the "
            f"{blob.size} that its manifest says"
        )


async def complaint(
    image: RegistryReference, answer: Answer, credentials: Credentials
) -> ImageError:
    """What an answer that brings no success means."""
    said = await _words(answer)
    host = host_of(answer.url)
    if answer.status == 404:
        return NotInRegistry(image)
    if answer.status in (401, 403):
        return AccessDenied(
            image, registry=image.registry, with_credentials=bool(credentials), said=said
        )
    sentence = f"{image}: {host} answers {answer.status}{f' ({said})' if said else ''}"
    if answer.status == 429:
        return RegistryUnavailable(
            sentence, hint="it limits how often it is asked; some allow more to those who sign in"
        )
    if answer.status >= 500 or answer.status == 408:
        return RegistryUnavailable(sentence, hint="it is out of order; perhaps only for a moment")
    return RegistryAnswerInvalid(sentence)


async def _words(answer: Answer) -> str:
    """What the registry says in its own words, cut to what a person may want to read."""
    try:
        body = await answer.read(limit_bytes=_COMPLAINT_LIMIT_BYTES)
        complaints = msgspec.json.decode(body, type=_Complaints).errors
    except (ImageError, msgspec.MsgspecError, UnicodeDecodeError):
        return ""  # its status has to do
    text = "; ".join(c.message or c.code for c in complaints)
    return "".join(c if c.isprintable() else " " for c in text)[:_COMPLAINT_CHARS]
