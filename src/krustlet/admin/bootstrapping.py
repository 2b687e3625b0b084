"""Make what a machine needs to ask for its first certificate: rights, a token, a file.

All of it, or no token: who cannot be given the file has no use for one.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from krustlet.admin import bootstrap_file
from krustlet.admin.bootstrap_file import BootstrapFile, Endpoint
from krustlet.admin.errors import AdminError, may
from krustlet.admin.ports import Api, Voice
from krustlet.admin.rights import APPROVED_AT_ONCE, ASKING, ensure
from krustlet.admin.token import NAMESPACE, BootstrapToken, good_until, secret_of
from krustlet.base import Clock, Instant
from krustlet.kube import AlreadyExists, ApiError, NotFound
from krustlet.objects import SECRETS, Secret, from_rfc3339, to_rfc3339

_TRIES: Final = 3  # two tokens of one id are one in two thousand million
_CLOCKS_DIFFER_BY_S: Final = 60.0


class BootstrapWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made.

    Attributes:
        file: where it is to be kept; None: nowhere, it is only shown.
        makes_directory: whether the directory of `file` is made, with those above it.
        ttl_s: how long the token is to be good.
        auto_approve: whether the cluster is to approve client certificates by itself.
        force: whether `file` is overwritten, whatever it is.
    """

    endpoint: Endpoint
    file: Path | None
    makes_directory: bool = False
    ttl_s: float
    auto_approve: bool = False
    force: bool = False


class Bootstrapped(msgspec.Struct, frozen=True, kw_only=True):
    """What is there now.

    Attributes:
        expires: when the token ends, RFC 3339; empty: never.
        is_new: whether the token was made now; else the file was there, and good.
    """

    file: BootstrapFile
    expires: str
    is_new: bool


async def bootstrap(
    api: Api,
    wanted: BootstrapWanted,
    clock: Clock,
    voice: Voice,
    *,
    show: Callable[[bytes], None],
) -> Bootstrapped:
    """Machines with a token may ask for certificates, and there is a file with one that is good.

    Args:
        show: given the file if it is kept nowhere; if it raises, no token is left.

    Raises:
        FileInTheWay: what is there is not overwritten.
        FileUnwritable: the file cannot be kept; no token is left.
        RightsMissing: whoever asks may not do this.
        ApiError: the API server does not answer, or refuses something else.
    """
    if wanted.file is not None and not wanted.makes_directory:
        bootstrap_file.refuse_missing_directory(wanted.file)
    found = await _found(api, wanted, clock)
    await grant(api, voice, auto_approve=wanted.auto_approve)
    if found is None:
        return await _made(api, wanted, clock, voice, show)
    if wanted.file is not None:
        await asyncio.to_thread(bootstrap_file.keep_to_ourselves, wanted.file, voice)
    return found


async def grant(api: Api, voice: Voice, *, auto_approve: bool) -> None:
    """Machines with a token may ask for certificates; with `auto_approve` they get them, too."""
    await ensure(api, [ASKING, *(APPROVED_AT_ONCE if auto_approve else ())], voice)


async def _found(api: Api, wanted: BootstrapWanted, clock: Clock) -> Bootstrapped | None:
    """What is in the file, if that is still good."""
    if wanted.file is None or wanted.force:
        return None
    if (file := await bootstrap_file.read(wanted.file)) is None:
        return None
    if file.endpoint != wanted.endpoint:
        raise bootstrap_file.in_the_way(
            wanted.file, f"for {file.endpoint.server}, or with another authority"
        )
    with may(f"see Secrets in {NAMESPACE}"):
        try:
            secret = await api.get(SECRETS, file.token.object_name, namespace=NAMESPACE)
        except NotFound:
            return None  # it has expired, and the cluster has tidied up
    expires = good_until(secret, file.token, now=clock.now())
    return None if expires is None else Bootstrapped(file=file, expires=expires, is_new=False)


async def _made(
    api: Api, wanted: BootstrapWanted, clock: Clock, voice: Voice, show: Callable[[bytes], None]
) -> Bootstrapped:
    expires_at = Instant(clock.now() + wanted.ttl_s)
    token, secret = await _new_token(api, expires_at)
    _warn_of_clocks(secret, clock, voice)
    file = BootstrapFile(wanted.endpoint, token)
    try:
        if wanted.file is not None:
            await asyncio.to_thread(bootstrap_file.write, wanted.file, file)
        else:
            show(file.content())
    except BaseException:
        await _take_back(api, token, voice)
        raise
    return Bootstrapped(file=file, expires=to_rfc3339(expires_at), is_new=True)


async def _new_token(api: Api, expires_at: Instant) -> tuple[BootstrapToken, Secret]:
    for _ in range(_TRIES):
        token = BootstrapToken.new()
        secret = secret_of(token, expires_at=expires_at)
        try:
            with may(f"make Secrets in {NAMESPACE}"):
                return token, await api.create(SECRETS, secret, namespace=NAMESPACE)
        except AlreadyExists:
            continue
    raise AdminError("no free id for a token was found", hint="try again")


async def _take_back(api: Api, token: BootstrapToken, voice: Voice) -> None:
    try:
        await api.delete(SECRETS, token.object_name, namespace=NAMESPACE)
    except ApiError as exc:
        voice.warn(
            f"token {token.id} could not be taken back: {exc.message}",
            f"kubectl -n {NAMESPACE} delete secret {token.object_name}",
        )


def _warn_of_clocks(secret: Secret, clock: Clock, voice: Voice) -> None:
    """The token ends by the cluster's clock, and was given its end by ours."""
    if (made_at := secret.metadata.creation_timestamp) is None:
        return
    ahead_s = clock.now() - from_rfc3339(made_at)
    if abs(ahead_s) > _CLOCKS_DIFFER_BY_S:
        way = "ahead of" if ahead_s > 0 else "behind"
        voice.warn(
            f"this machine's clock is {abs(ahead_s):.0f} s {way} the cluster's, by which the token "
            "ends",
            "set the clocks, or choose --ttl accordingly",
        )
