"""Show credentials to registries in the way they ask for.

Owns challenges, and the tokens got for them until these expire. Leaves which credentials fit to
`keyring.py`.

Source: RFC 9110 section 11; Distribution's docs, "Token Authentication" and "OAuth2 Token
Authentication".
"""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import msgspec
from yarl import URL

from krustlet.images.errors import RegistryAnswerInvalid, RegistryUnavailable
from krustlet.images.keyring import Credentials
from krustlet.images.transport import Answer, Transport
from krustlet.images.trust import host_of, is_loopback

_DEFAULT_LIFE_S: Final = 60.0  # by the protocol, where a token does not say
_MARGIN: Final = 0.1  # of its life: a token that is about to expire may be late
_REMEMBERED_HEADERS: Final = 512
_TOKEN_LIMIT_BYTES: Final = 256 * 1024
_CLIENT_ID: Final = "krustlet"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}

_PARAMETER: Final = re.compile(
    r"""(?:^|[\s,])(?:(?P<scheme>[A-Za-z][\w-]*)\s+)?  # begins a challenge
        (?P<key>[A-Za-z][\w-]*)\s*=\s*
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+))""",
    re.VERBOSE,
)


class Challenge(NamedTuple):
    """One way to sign in that a registry offers; names are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


class Denied(Exception):
    """The credentials, if any, are of no use; never leaves the room."""


class _Key(NamedTuple):
    host: str
    scope: str
    credentials: Credentials


class _Known(NamedTuple):
    header: str
    until: float


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: float = _DEFAULT_LIFE_S


_tokens = msgspec.json.Decoder(_Token, strict=False)


class Authenticator:
    """Knows what to send as Authorization, as far as anybody has asked."""

    def __init__(
        self, transport: Transport, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._monotonic = monotonic
        self._known: dict[_Key, _Known] = {}
        self._asking: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    def known(self, host: str, scope: str, credentials: Credentials) -> str | None:
        """What worked there before and still should."""
        known = self._known.get(_Key(host, scope, credentials))
        return known.header if known is not None and self._monotonic() < known.until else None

    async def answer(
        self,
        denied: Answer,
        *,
        host: str,
        scope: str,
        credentials: Credentials,
        sent: str | None,
    ) -> str:
        """What to send in place of `sent`, which the host has denied.

        Args:
            host: as in `known`.
            scope: what is wanted, such as `repository:hello:pull`.

        Raises:
            Denied: nothing is left to try.
            RegistryUnavailable, RegistryUntrusted, RegistryAnswerInvalid: of whoever issues tokens.
        """
        key = _Key(host, scope, credentials)
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:  # who comes second finds the first one's token
            header = self.known(*key)
            if header is not None and header != sent:
                return header
            self._known.pop(key, None)
            found = await self._answer(denied, scope, credentials)
            if found.header == sent:
                raise Denied
            self._remember(key, found)
            return found.header

    async def _answer(self, denied: Answer, scope: str, credentials: Credentials) -> _Known:
        challenges = {c.scheme: c.parameters for c in parse_challenges(_offers(denied))}
        for_ever = float("inf")
        if "bearer" in challenges:
            if credentials.registry_token:
                return _Known(f"Bearer {credentials.registry_token}", for_ever)
            return await self._token(denied, challenges["bearer"], scope, credentials)
        if "basic" in challenges and credentials.username:
            return _Known(_basic(credentials), for_ever)
        raise Denied

    async def _token(
        self, denied: Answer, offer: Mapping[str, str], scope: str, credentials: Credentials
    ) -> _Known:
        realm = _realm(denied, offer)
        asked = {"service": offer.get("service", ""), "scope": offer.get("scope") or scope}
        asked = {name: value for name, value in asked.items() if value}
        asked_at = self._monotonic()
        if credentials.identity_token:
            form = {
                **asked,
                "client_id": _CLIENT_ID,
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
            }
            body = await self._ask("POST", realm, _FORM, urlencode(form).encode())
        else:
            headers = {"Authorization": _basic(credentials)} if credentials.username else {}
            body = await self._ask("GET", realm.update_query(asked), headers)
        try:
            token = _tokens.decode(body)
        except msgspec.MsgspecError:
            token = _Token()
        if not (text := token.token or token.access_token):
            raise RegistryAnswerInvalid(f"{host_of(realm)} issues no token when asked for one")
        life_s = max(token.expires_in, _DEFAULT_LIFE_S)
        return _Known(f"Bearer {text}", asked_at + life_s * (1 - _MARGIN))

    async def _ask(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None = None
    ) -> bytes:
        async with self._transport.request(method, url, headers=headers, body=body) as answer:
            if answer.status in (400, 401, 403):  # 400: OAuth2's own way to refuse
                raise Denied
            if answer.status != 200:
                raise RegistryUnavailable(
                    f"{host_of(url)} issues no token: it answers {answer.status}"
                )
            return await answer.read(limit_bytes=_TOKEN_LIMIT_BYTES)

    def _remember(self, key: _Key, known: _Known) -> None:
        now = self._monotonic()
        if len(self._known) >= _REMEMBERED_HEADERS:
            self._known = {k: v for k, v in self._known.items() if now < v.until}
        if len(self._known) >= _REMEMBERED_HEADERS:
            del self._known[next(iter(self._known))]
        self._known[key] = known


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """What the WWW-Authenticate headers of an answer offer; several may share one header."""
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        if re.fullmatch(r"\s*[A-Za-z][\w-]*\s*", header):  # a scheme alone
            found.append((header.strip().lower(), {}))
            continue
        for match in _PARAMETER.finditer(header):
            if scheme := match["scheme"]:
                found.append((scheme.lower(), {}))
            if found:
                quoted = match["quoted"]
                value = match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                found[-1][1][match["key"].lower()] = value
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _offers(denied: Answer) -> list[str]:
    return denied.headers.getall("WWW-Authenticate", [])


def _realm(denied: Answer, offer: Mapping[str, str]) -> URL:
    """Where tokens are issued: passwords go there, so not in the clear unless they do already."""
    host = host_of(denied.url)
    try:
        realm = URL(offer.get("realm", ""))
    except ValueError:
        realm = URL()
    if realm.scheme not in ("https", "http") or not realm.host:
        raise RegistryAnswerInvalid(f"{host} does not say where to get a token")
    if realm.scheme == "http" != denied.url.scheme and not is_loopback(host_of(realm)):
        raise RegistryAnswerInvalid(
            f"{host} wants tokens to be got from {host_of(realm)} without TLS",
            hint="its operator should name an https realm",
        )
    return realm


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
