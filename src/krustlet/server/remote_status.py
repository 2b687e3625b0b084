"""How a process that somebody talked with ended, in the words of the API. Pure.

Source: k8s.io/apimachinery `metav1.Status`, pkg/util/remotecommand/constants.go, and the kubelet's
streaming server.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec

from krustlet.base import KrustletError

EXIT_CODE_CAUSE: Final = "ExitCode"
HINT_CAUSE: Final = "krustlet.dev/hint"
"""What the reader can do about it; other clients pass over causes that they do not know."""


class RemoteStatus(msgspec.Struct, frozen=True):
    """`json` for clients that read it; `text` for those before version 4, empty where all went
    well."""

    json: bytes
    text: str


def success() -> RemoteStatus:
    return RemoteStatus(_json(status="Success"), "")


def ended_with(code: int) -> RemoteStatus:
    """Its exit code was `code`."""
    if code == 0:
        return success()
    text = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": EXIT_CODE_CAUSE, "message": str(code)}]
    return RemoteStatus(
        _json(
            status="Failure",
            message=text,
            reason="NonZeroExitCode",
            details={"causes": causes},
        ),
        text,
    )


def failed(doing: str, error: KrustletError) -> RemoteStatus:
    """Nothing ended, as nothing was run.

    Args:
        doing: `error executing command in container`.
    """
    text = f"Internal error occurred: {doing}: {error.message}"
    causes = [{"message": f"{doing}: {error.message}"}]
    if error.hint:
        causes.append({"reason": HINT_CAUSE, "message": error.hint})
    return RemoteStatus(
        _json(
            status="Failure",
            message=text,
            reason="InternalError",
            details={"causes": causes},
            code=HTTPStatus.INTERNAL_SERVER_ERROR.value,
        ),
        text,
    )


def _json(**fields: Any) -> bytes:
    return msgspec.json.encode({"metadata": {}, **fields})
