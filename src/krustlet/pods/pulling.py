"""Tell how an image came to this node, in the kubelet's own words.

That it is being pulled is told at once only when that takes a while, since what will never run
here (see `NoWasmInImage`) is to be told of in one event, and no more.

Source: kubernetes pkg/kubelet/images/image_manager.go.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

from krustlet.images import Ensured, NoWasmInImage
from krustlet.objects import ContainerCommon
from krustlet.pods.reporter import Reporter

_A_WHILE_S: Final = 1.0


class Pulling:
    """One image on its way; enter while it is."""

    def __init__(self, reporter: Reporter, container: ContainerCommon) -> None:
        self._reporter = reporter
        self._container = container
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is None:
            return
        if isinstance(error, NoWasmInImage):
            self._timer.cancel()
        else:
            self._tell_begun()

    def begun(self) -> None:
        """It has to be pulled."""
        self._timer = asyncio.get_running_loop().call_later(_A_WHILE_S, self._tell_begun)

    def done(self, ensured: Ensured) -> None:
        """It is here."""
        image = self._container.image
        if not ensured.pulled:
            self._tell("Pulled", f'Container image "{image}" already present on machine')
            return
        self._tell_begun()
        took, waited = _go_duration(ensured.took_s), _go_duration(ensured.waited_s)
        self._tell(
            "Pulled",
            f'Successfully pulled image "{image}" in {took} ({waited} including waiting). '
            f"Image size: {ensured.image.size_bytes} bytes.",
        )

    def _tell_begun(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._tell("Pulling", f'Pulling image "{self._container.image}"')

    def _tell(self, reason: str, message: str) -> None:
        self._reporter.tell(reason, message, container=self._container.name)


def _go_duration(seconds: float) -> str:
    """`345ms`, `1.2s`, `1m0.5s`: as Go writes one that was cut to milliseconds."""
    millis = int(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    minutes, rest = divmod(millis, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"
