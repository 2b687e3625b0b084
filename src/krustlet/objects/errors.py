"""The errors of this room."""

from krustlet.base import KrustletError


class ObjectError(KrustletError):
    """Something in a Kubernetes object does not mean what it should."""


class QuantityError(ObjectError):
    """The text is no quantity, such as `500m` or `64Mi`."""

    reason = "FailedValidation"


class TimestampError(ObjectError):
    """The text is no RFC 3339 time, such as `2026-01-02T03:04:05Z`."""

    reason = "FailedValidation"
