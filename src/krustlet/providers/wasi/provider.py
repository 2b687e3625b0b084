"""The provider of WASI: modules compiled ahead of time, one process a container."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.provider import ContainerRequest, Image, Program, ProviderContext
from krustlet.providers.wasi.options import parse
from krustlet.wasm import (
    RUNNER,
    AotCache,
    CompiledModule,
    EngineSettings,
    ImportsMissing,
    NoEntryPoint,
    Preopen,
    ServerUnsupported,
    WasmLaunch,
    encode_launch,
)

_HTTP_HANDLER: Final = "wasi:http/incoming-handler@"
_FRESH_S: Final = 5.0  # far shorter than the cache keeps what was asked for
_HEADROOM_BYTES: Final = 8 << 20  # of a container's limit, for what is not the guest's memory


class WasiProvider:
    """Describes a container as one run of a command: of preview 1, or a component of preview 2."""

    runners: Sequence[str]
    version: str
    """Of the engine: native code of one cannot be loaded into another."""

    def __init__(self, context: ProviderContext) -> None:
        options = parse(context.options)
        self.runners = (_runner(options.settings),)
        self._cache = AotCache(
            context.cache / "aot", settings=options.settings, max_bytes=options.cache_bytes
        )
        self.version = self._cache.engine
        self._prepared: dict[str, tuple[CompiledModule, float]] = {}  # by digest; taken by a start

    async def prepare(self, image: Image) -> None:
        """Compile the module, unless that was done before.

        Raises:
            WasmError: it is no module, or none that can be run here.
        """
        self._prepared[image.digest] = await self._compiled(image), time.monotonic()

    async def program(self, request: ContainerRequest) -> Program:
        """One run of the compiled module, with exactly what the request names."""
        module = await self._just_compiled(request.image)
        launch = WasmLaunch(
            code=str(module.code),
            kind=module.kind,
            argv=[_argument(part, request.image) for part in request.argv],
            env=list(request.env.items()),
            preopens=_preopens(request),
            working_dir=request.working_dir,
            network=request.network,
            memory_bytes=_memory_bytes(request),
        )
        return Program(self.runners[0], encode_launch(launch))

    async def close(self) -> None:
        """End the compilers that still run."""
        await self._cache.close()

    async def _just_compiled(self, image: Image) -> CompiledModule:
        """What `prepare` has found a moment ago need not be looked for again."""
        module, at = self._prepared.pop(image.digest, (None, 0.0))
        if module is None or time.monotonic() > at + _FRESH_S:
            return await self._compiled(image)
        return module

    async def _compiled(self, image: Image) -> CompiledModule:
        name = image.entrypoint_name
        module = await self._cache.ensure(Path(image.path), digest=image.digest, name=name)
        if module.missing:
            raise ImportsMissing(name, module.missing)
        if not module.entry:
            if any(export.startswith(_HTTP_HANDLER) for export in module.exports):
                raise ServerUnsupported(name, module.exports)
            raise NoEntryPoint(name, module.exports, kind=module.kind)
        return module


def _runner(settings: EngineSettings) -> str:
    """The runner with the engine that the cache compiles for."""
    text = msgspec.json.encode(settings).decode()
    return RUNNER if settings == EngineSettings() else f"{RUNNER}={text}"


def _argument(part: str | None, image: Image) -> str:
    return image.entrypoint_name if part is None else part


def _preopens(request: ContainerRequest) -> list[Preopen]:
    if request.root:  # by then all mounts lie below it, and it is `/`
        return [Preopen("/", "/")]
    return [Preopen(mount.host, mount.guest, mount.read_only) for mount in request.mounts]


def _memory_bytes(request: ContainerRequest) -> int | None:
    """A guest finds that it cannot have more memory before the kernel ends it for that."""
    limits = [request.limits.memory_bytes, request.pod_limits.memory_bytes]
    least = min((limit for limit in limits if limit is not None), default=None)
    return None if least is None else least - min(_HEADROOM_BYTES, least // 4)
