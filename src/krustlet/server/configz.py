"""`/configz`: the settings in force, in the form that the kubelet has for them.

Source: k8s.io/component-base configz/configz.go; kubernetes cmd/kubelet/app/server.go.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

_NAME: Final = "kubeletconfig"  # which the kubelet registers its configuration by


class Configz:
    """Answers with what `configuration` says each time: settings may change while a node runs."""

    def __init__(self, configuration: Callable[[], Mapping[str, Any]]) -> None:
        self._configuration = configuration

    async def serve(self, _: web.Request) -> web.Response:
        body = msgspec.json.encode({_NAME: self._configuration()})
        return web.Response(body=body, content_type="application/json")
