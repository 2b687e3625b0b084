"""What can run is described, and what cannot is refused before anything starts."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from krustlet.cgroups import Limits
from krustlet.objects import Mount
from krustlet.provider import ContainerRequest, Image, ProviderContext
from krustlet.providers.wasi import WasiProvider
from krustlet.wasm import (
    RUNNER,
    ImportsMismatched,
    ImportsMissing,
    NoEntryPoint,
    NotWasm,
    Preopen,
    ServerUnsupported,
    WasmError,
)
from krustlet.wasm.launch import WasmLaunch, decode_launch
from tests.component.wasm.conftest import digest_of
from tests.support.wasm_sources import command_component

COMMAND = '(module (func (export "_start")))'
HANDLER = "wasi:http/incoming-handler@0.2.3"

MakeImage = Callable[[str], Image]


@pytest.fixture
def image(tmp_path: Path) -> MakeImage:
    def image(text: str) -> Image:
        path = tmp_path / "app.wat"
        path.write_text(text)
        return Image("file:app.wat", digest_of(path), str(path), len(text), "app.wasm")

    return image


@pytest.fixture
async def provider(shared_cache: Path) -> AsyncIterator[WasiProvider]:
    provider = WasiProvider(ProviderContext(cache=shared_cache))
    yield provider
    await provider.close()


def request_for(image: Image) -> ContainerRequest:
    return ContainerRequest(
        id="a", pod="default/a", pod_uid="u", container="c", restart=0, image=image,
        argv=[None, "--verbose"], env={"A": "b"}, log="/dev/null",
    )  # fmt: skip


async def described(provider: WasiProvider, request: ContainerRequest) -> WasmLaunch:
    program = await provider.program(request)
    assert program.runner in provider.runners
    return decode_launch(program.payload)


@pytest.mark.parametrize(
    ("text", "kind"), [(COMMAND, "module"), (command_component(), "component")]
)
async def test_a_command_of_either_kind_is_described(
    provider: WasiProvider, image: MakeImage, text: str, kind: str
) -> None:
    made = image(text)
    await provider.prepare(made)
    request = replace(request_for(made), working_dir="/work", network=False)
    launch = await described(provider, request)
    assert (launch.kind, launch.argv, launch.env) == (
        kind,
        ["app.wasm", "--verbose"],
        [("A", "b")],
    )
    assert (launch.working_dir, launch.network, launch.memory_bytes) == ("/work", False, None)
    assert Path(launch.code).is_file()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "(module)",
            NoEntryPoint,
            "app.wasm has no _start to run; it exports nothing",
        ),
        (
            command_component(run="my:own/entry@0.2.0"),
            NoEntryPoint,
            "app.wasm has no wasi:cli/run@0.2 to run; it exports my:own/entry@0.2.0",
        ),
        (
            command_component(run=HANDLER),
            ServerUnsupported,
            f"app.wasm is an HTTP handler, which is not supported yet; it exports {HANDLER}",
        ),
        (
            '(module (import "env" "a" (func)) (import "env" "b" (func)) (func (export "_start")))',
            ImportsMissing,
            "app.wasm imports what is not there: env::a, env::b",
        ),
        (
            command_component('(import "wasi:http/types@0.2.0" (instance (export "f" (func))))'),
            ImportsMissing,
            "app.wasm imports what is not there: wasi:http/types@0.2.0#f",
        ),
        (
            '(module (import "wasi_snapshot_preview1" "fd_read" (func)) (func (export "_start")))',
            ImportsMismatched,
            "app.wasm cannot be linked: incompatible import type for"
            " `wasi_snapshot_preview1::fd_read`",
        ),
        ("#!/bin/sh", NotWasm, "app.wasm: exec format error: it is not WebAssembly"),
    ],
)
async def test_what_cannot_run_is_refused_with_what_it_lacks(
    provider: WasiProvider,
    image: MakeImage,
    text: str,
    error: type[WasmError],
    message: str,
) -> None:
    with pytest.raises(WasmError) as caught:
        await provider.prepare(image(text))
    assert type(caught.value) is error
    assert caught.value.message.splitlines()[0] == message
    assert caught.value.reason == "CreateContainerError"


async def test_without_a_root_it_sees_its_mounts(provider: WasiProvider, image: MakeImage) -> None:
    request = replace(request_for(image(COMMAND)), mounts=[Mount("/host", "/guest", True)])
    assert (await described(provider, request)).preopens == [Preopen("/host", "/guest", True)]


async def test_with_a_root_it_sees_the_root(provider: WasiProvider, image: MakeImage) -> None:
    request = replace(
        request_for(image(COMMAND)), root="/somewhere", mounts=[Mount("/host", "/guest", True)]
    )
    assert (await described(provider, request)).preopens == [Preopen("/", "/")]


@pytest.mark.parametrize(
    ("limit_mib", "pod_mib", "guest_mib"),
    [
        pytest.param(64, None, 56, id="less-than-the-kernel-ends-it-for"),
        pytest.param(16, None, 12, id="but-most-of-it"),
        pytest.param(None, 64, 56, id="of-the-pod"),
        pytest.param(64, 32, 24, id="the-lesser-of-both"),
    ],
)
async def test_a_memory_limit_is_the_guests_too(
    provider: WasiProvider,
    image: MakeImage,
    limit_mib: int | None,
    pod_mib: int | None,
    guest_mib: int,
) -> None:
    def limits(mib: int | None) -> Limits:
        return Limits(memory_bytes=None if mib is None else mib << 20)

    request = replace(
        request_for(image(COMMAND)), limits=limits(limit_mib), pod_limits=limits(pod_mib)
    )
    assert (await described(provider, request)).memory_bytes == guest_mib << 20


async def test_options_reach_compiler_and_runner(shared_cache: Path, image: MakeImage) -> None:
    simd = image('(module (func (export "_start") (drop (v128.const i32x4 0 0 0 0))))')
    context = ProviderContext(cache=shared_cache, options={"simd": "false"})
    provider = WasiProvider(context)
    assert provider.runners == (f'{RUNNER}={{"simd":false}}',)
    with pytest.raises(WasmError, match="SIMD support is not enabled"):
        await provider.prepare(simd)
    await provider.close()
