"""The provider of WASI: modules compiled ahead of time, one process a container."""

from collections.abc import Sequence
from pathlib import Path

from krustlet.provider import ContainerRequest, Image, Program, ProviderContext
from krustlet.wasm import (
    RUNNER,
    AotCache,
    CompiledModule,
    ImportsMissing,
    NoEntryPoint,
    Preopen,
    WasmLaunch,
    encode_launch,
)

_ENTRY_POINT = "_start"


class WasiProvider:
    """Describes a container as one run of a preview-1 command module."""

    runners: Sequence[str] = (RUNNER,)

    def __init__(self, context: ProviderContext) -> None:
        self._cache = AotCache(context.cache / "aot")

    async def prepare(self, image: Image) -> None:
        """Compile the module, unless that was done before.

        Raises:
            WasmError: it is no module, or none that can be run here.
        """
        await self._compiled(image)

    async def program(self, request: ContainerRequest) -> Program:
        """One run of the compiled module, with exactly what the request names."""
        module = await self._compiled(request.image)
        launch = WasmLaunch(
            code=str(module.code),
            argv=[_argument(part, request.image) for part in request.argv],
            env=list(request.env.items()),
            preopens=[Preopen(m.host, m.guest, m.read_only) for m in request.mounts],
        )
        return Program(RUNNER, encode_launch(launch))

    async def close(self) -> None:
        """End the compilers that still run."""
        await self._cache.close()

    async def _compiled(self, image: Image) -> CompiledModule:
        name = image.entrypoint_name
        module = await self._cache.ensure(Path(image.path), digest=image.digest, name=name)
        if module.missing:
            raise ImportsMissing(name, module.missing)
        if _ENTRY_POINT not in module.exports:
            raise NoEntryPoint(name, module.exports)
        return module


def _argument(part: str | None, image: Image) -> str:
    return image.entrypoint_name if part is None else part
