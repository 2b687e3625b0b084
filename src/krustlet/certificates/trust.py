"""Tell a server that is another one from a clock that is wrong.

Either way its certificate is refused; but a clock may be set right any time.
"""

import ssl
from enum import Enum, auto
from typing import Final

from krustlet.base import Instant
from krustlet.objects import to_rfc3339

# Source: OpenSSL x509_vfy.h, X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_NOT_YET_VALID: Final = 9
_HAS_EXPIRED: Final = 10


class Distrust(Enum):
    """Why a server's certificate is refused."""

    CLOCK = auto()
    """It is good at another time than now."""
    STRANGER = auto()
    """Nobody we know vouches for it, or it is for another name."""


def distrust(error: BaseException) -> Distrust | None:
    """Why the server was not believed to be who it is; None if `error` is about something else.

    Args:
        error: an `ApiError`, whose cause tells.
    """
    cause = error.__cause__
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return None
    found = getattr(cause, "certificate_error", cause)  # aiohttp wraps the one that has the code
    code = getattr(found, "verify_code", 0)
    return Distrust.CLOCK if code in (_NOT_YET_VALID, _HAS_EXPIRED) else Distrust.STRANGER


def clock_hint(now: Instant) -> str:
    """What to do about a server whose certificate is good at another time."""
    return (
        f"the clock of this machine shows {to_rfc3339(now)}: set it right; if it is right, the "
        "API server needs a new certificate"
    )
