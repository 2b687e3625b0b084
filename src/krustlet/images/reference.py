"""Read image names: what a manifest writes in `image:`.

Owns the grammar of registry references and of local ones, and their canonical text. Knows
neither files nor registries: that a name is well-formed says nothing about what it names.
"""

import re
from pathlib import PurePosixPath

import msgspec

from krustlet.images.errors import InvalidImageName

_DEFAULT_REGISTRY = "docker.io"
_OLD_DEFAULT_REGISTRY = "index.docker.io"  # still found in old manifests; means the same
_DEFAULT_NAMESPACE = "library"
_DEFAULT_TAG = "latest"
_MAX_REPOSITORY_CHARS = 255  # distribution/reference, RepositoryNameTotalLengthMax

_FILE_SCHEME = "file:"
_PATH_STARTS = (".", "/")  # no registry reference begins so
_ORIGINAL_PREFIX = "fs/"  # the spelling of Krustlet 0.4 to 1.0

# The grammar of distribution/reference, in the comment that opens its reference.go.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])"
_REGISTRY = re.compile(rf"{_HOST}(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}  # opencontainers/go-digest
_BARE_ID = re.compile(r"[a-f0-9]{64}")

_ORIGINAL_TAG = re.compile(rf":{_TAG.pattern}$")


class LocalReference(msgspec.Struct, frozen=True, tag=True):
    """A module in a file of this node.

    Attributes:
        path: absolute, or relative to what the manifest's reader decides; never empty.
    """

    path: str

    def __str__(self) -> str:
        return f"{_FILE_SCHEME}{self.path}"


class RegistryReference(msgspec.Struct, frozen=True, tag=True):
    """An image in a registry.

    Attributes:
        registry: host, with its port where one was given.
        repository: the path below the registry, in full: `library/hello`, not `hello`.
        digest: `<algorithm>:<hex>`; decides, where there is a tag as well.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


Reference = LocalReference | RegistryReference


def parse_reference(text: str, *, default_tag: str | None = _DEFAULT_TAG) -> Reference:
    """The image that `text` names; its `str()` is the one canonical spelling.

    Local are `file:path`, `file:///absolute/path` and the original's `fs/path`, in which a second
    slash begins an absolute path and a tag means nothing. The path is taken as it is written: no
    percent signs are decoded. All else is a registry reference, completed as Docker does: no
    registry means docker.io, and there no namespace means `library`.

    Args:
        default_tag: the tag of a reference with neither tag nor digest; None leaves it without.

    Raises:
        InvalidImageName: `text` follows neither grammar.

    Source: distribution/reference, `reference.go` and `normalize.go`.
    """
    if not text:
        raise InvalidImageName(
            text, "it is empty", hint="name an image", file_hint="file:path for a file"
        )
    if not text.isprintable() or text != text.strip():
        raise InvalidImageName(
            text,
            "it begins or ends with a space or holds unprintable characters",
            hint="look for stray spaces or line breaks in the manifest",
        )
    if text.startswith(_FILE_SCHEME):
        return _local(text, _path_of_file_scheme(text))
    if text.startswith(_ORIGINAL_PREFIX):
        return _local(text, _path_of_original_form(text))
    return _registry(text, default_tag)


def _path_of_file_scheme(text: str) -> str:
    rest = text.removeprefix(_FILE_SCHEME)
    if not rest.startswith("//") or rest.startswith("///"):
        return rest
    host, slash, path = rest.removeprefix("//").partition("/")
    if host != "localhost":
        raise InvalidImageName(
            text,
            f"after file:// it names the host {host!r}, not a file",
            hint=f"write file:{host}{slash}{path}, or file:///… for an absolute path",
        )
    return slash + path


def _path_of_original_form(text: str) -> str:
    rest = text.removeprefix(_ORIGINAL_PREFIX)
    return rest if "@" in rest else _ORIGINAL_TAG.sub("", rest)


def _local(text: str, path: str) -> LocalReference:
    if not path:
        raise InvalidImageName(text, "it names no file", hint="write file:path/to/module.wasm")
    plain = str(PurePosixPath(path))
    # pathlib keeps exactly two leading slashes, as POSIX lets them mean something; not here.
    return LocalReference(plain[1:] if plain.startswith("//") else plain)


def _registry(text: str, default_tag: str | None) -> RegistryReference:
    if text.startswith(_PATH_STARTS):
        raise InvalidImageName(
            text, "it looks like a path", file_hint=f"for a file of this node write file:{text}"
        )
    name, at, digest = text.partition("@")
    if at:
        _check_digest(text, digest)
    registry, rest = _split_registry(name)
    repository, colon, tag = rest.partition(":")
    _check_registry(text, registry)
    _check_repository(text, registry, repository)
    if colon and not _TAG.fullmatch(tag):
        raise InvalidImageName(
            text,
            f"{tag!r} is no tag",
            hint="a tag is up to 128 letters, digits, '_', '.' and '-', not first '.' or '-'",
        )
    if not colon and not at:
        return RegistryReference(registry, repository, tag=default_tag)
    return RegistryReference(registry, repository, tag=tag or None, digest=digest or None)


def _split_registry(name: str) -> tuple[str, str]:
    """The registry and the rest, both complete.

    The first part is a registry only where it cannot be a namespace of docker.io: it holds a dot,
    a colon or an upper-case letter, or is `localhost`.
    """
    first, slash, rest = name.partition("/")
    is_host = first == "localhost" or first != first.lower() or any(c in first for c in ".:")
    if not slash or not is_host:
        first, rest = _DEFAULT_REGISTRY, name
    elif first == _OLD_DEFAULT_REGISTRY:
        first = _DEFAULT_REGISTRY
    if first == _DEFAULT_REGISTRY and "/" not in rest:
        rest = f"{_DEFAULT_NAMESPACE}/{rest}"
    return first, rest


def _check_registry(text: str, registry: str) -> None:
    if not _REGISTRY.fullmatch(registry):
        raise InvalidImageName(
            text,
            f"{registry!r} is no registry",
            hint="a registry is host or host:port, without a scheme such as https://",
        )


def _check_repository(text: str, registry: str, repository: str) -> None:
    if _BARE_ID.fullmatch(repository.removeprefix(f"{_DEFAULT_NAMESPACE}/")):
        raise InvalidImageName(
            text,
            "64 hex digits are an image id, not a name",
            hint="write repository@sha256:<digest>",
        )
    if len(repository) > _MAX_REPOSITORY_CHARS:
        raise InvalidImageName(
            text,
            f"the repository is longer than {_MAX_REPOSITORY_CHARS} characters",
            hint="shorten it",
        )
    if _REPOSITORY.fullmatch(repository):
        return
    if _REPOSITORY.fullmatch(repository.lower()):
        raise InvalidImageName(
            text,
            "a repository must be lower case",
            hint=f"write {_in_lower_case(text, registry)!r}",
            file_hint=f"file:{text} for a file of this node",
        )
    raise InvalidImageName(
        text,
        f"{repository.removeprefix(f'{_DEFAULT_NAMESPACE}/')!r} is no repository",
        hint="write [registry/]repository[:tag][@digest]",
        file_hint="file:path for a file of this node",
    )


def _in_lower_case(text: str, registry: str) -> str:
    """`text` as it was meant: registries and tags keep their case."""
    prefix = f"{registry}/" if text.startswith(f"{registry}/") else ""
    rest = text.removeprefix(prefix)
    end = next((at for at, character in enumerate(rest) if character in ":@"), len(rest))
    return f"{prefix}{rest[:end].lower()}{rest[end:]}"


def _check_digest(text: str, digest: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    wanted = _HEX_DIGITS.get(algorithm)
    if wanted is None or not re.fullmatch(f"[a-f0-9]{{{wanted}}}", encoded):
        raise InvalidImageName(
            text,
            f"{digest!r} is no digest",
            hint="a digest is sha256: and 64 lower-case hex digits",
        )
