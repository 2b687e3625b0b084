"""What can go wrong between this node and the API server, as types to branch on."""

import math
from http import HTTPStatus
from typing import ClassVar, Final

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import Shape

_QUOTED_CHARACTERS: Final = 200  # of an answer that is no Status: enough to know who wrote it


class KubeError(KrustletError):
    """Something between this node and the API server is not as it has to be."""


class KubeConfigError(KubeError):
    """The kubeconfig cannot be used; no request was made."""

    reason = "InvalidKubeConfig"


class ApiError(KubeError):
    """A request failed.

    Attributes:
        status: the HTTP code; 0 where there was no answer at all.
        api_reason: the server's own word, such as `AlreadyExists`; empty where it gave none.
        retry_after_s: how long the server asks to be left alone, if it does.
    """

    reason = "ApiError"

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        api_reason: str = "",
        retry_after_s: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint or self.usual_hint)
        self.status = status
        self.api_reason = api_reason
        self.retry_after_s = retry_after_s

    usual_hint: ClassVar[str] = ""


class BadRequest(ApiError):
    """400: the request makes no sense to the server."""


class Unauthorized(ApiError):
    """401: the server does not know who we are."""

    usual_hint = "the kubeconfig's credentials have expired, or belong to another cluster"


class Forbidden(ApiError):
    """403: it knows who we are, and that we may not."""


class NamespaceEnding(Forbidden):
    """403: nothing can be made any more in a namespace that is being deleted."""


class NotFound(ApiError):
    """404: there is no such object, or no such kind of object."""


class AlreadyExists(ApiError):
    """409: an object of that name is there."""


class Conflict(ApiError):
    """409: the object has changed meanwhile, or is another one: a precondition did not hold."""


class Gone(ApiError):
    """410: the resource version is too old for a watch, or the continue token for a list."""


class Invalid(ApiError):
    """422: the server refuses the object; the message says which fields."""


class TooManyRequests(ApiError):
    """429: it has too much to do. Nothing was done."""

    retryable = True


class ApiUnavailable(ApiError):
    """Refused, reset, timed out, or 5xx. Whether the request was carried out is not known."""

    retryable = True


class CredentialsUnavailable(ApiError):
    """A token file or a credential plugin had nothing to offer, so there was no request."""

    retryable = True


class UnreadableAnswer(ApiError):
    """The server said yes, in a form that is not understood here."""


class Cause(Shape, frozen=True, kw_only=True):
    """One reason among others."""

    reason: str = ""


class Details(Shape, frozen=True, kw_only=True):
    """Why a `Status` came about."""

    retry_after_seconds: int = 0
    causes: tuple[Cause, ...] = ()


class Status(Shape, frozen=True, kw_only=True):
    """The server's account of a failure: `metav1.Status`."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


_BY_REASON: Final[dict[str, type[ApiError]]] = {
    "AlreadyExists": AlreadyExists,
    "Expired": Gone,
    "Gone": Gone,
}
_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    HTTPStatus.BAD_REQUEST: BadRequest,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Gone,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
}
# Source: k8s.io/api core/v1/types.go, `NamespaceTerminatingCause`.
_NAMESPACE_ENDS: Final = Cause(reason="NamespaceTerminating")
_status_decoder: Final = msgspec.json.Decoder(Status)


def error_from_answer(what: str, status: int, body: bytes, *, retry_after: str = "") -> ApiError:
    """The error that an answer stands for, whoever wrote it.

    Args:
        what: the request in words, for an answer that does not tell.
        status: not of the 2xx kind.
        body: a `metav1.Status`, or whatever a proxy on the way says.
        retry_after: the header of that name, or nothing.
    """
    try:
        told = _status_decoder.decode(body)
    except msgspec.MsgspecError:
        told = Status()
    if told.kind != "Status" or not told.message:
        return _typed(_in_words(what, status, body), status, "", _seconds(retry_after))
    return error_from_status(told, status=status, retry_after_s=_seconds(retry_after))


def error_from_status(
    told: Status, *, status: int = 0, retry_after_s: float | None = None
) -> ApiError:
    """The error that a `metav1.Status` stands for, as a watch sends it in the middle of a stream.

    Args:
        told: what the server says.
        status: the HTTP code, where there is one.
        retry_after_s: the header, where there is one; it goes before what the body says.
    """
    if retry_after_s is None and told.details is not None and told.details.retry_after_seconds:
        retry_after_s = float(told.details.retry_after_seconds)
    message = told.message or told.reason or f"status {told.code or status}"
    if told.details is not None and _NAMESPACE_ENDS in told.details.causes:
        return NamespaceEnding(message, status=status or told.code, api_reason=told.reason)
    return _typed(message, status or told.code, told.reason, retry_after_s)


def _typed(message: str, status: int, api_reason: str, retry_after_s: float | None) -> ApiError:
    kind = _BY_REASON.get(api_reason) or _BY_STATUS.get(status)
    if kind is None:
        kind = ApiUnavailable if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError
    return kind(message, status=status, api_reason=api_reason, retry_after_s=retry_after_s)


def _in_words(what: str, status: int, body: bytes) -> str:
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    said = " ".join(body.decode(errors="replace").split())
    if len(said) > _QUOTED_CHARACTERS:
        said = f"{said[:_QUOTED_CHARACTERS]}…"
    return f"{what}: {phrase}: {said}" if said else f"{what}: {phrase}"


def _seconds(retry_after: str) -> float | None:
    """The header's seconds. It may be a date (RFC 9110 §10.2.3), but no API server writes one."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
