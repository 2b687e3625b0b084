"""Old imports come from preview 1 where they mean the same there."""

import pytest
import wasmtime

from krustlet.wasm.engine import UNSTABLE_ALONE, WASI_PREVIEW_1, WASI_UNSTABLE
from krustlet.wasm.sections import read_imports
from krustlet.wasm.unstable_imports import _SAME, modernise
from tests.support.wasm_sources import binary


def module(*imports: tuple[str, str]) -> bytes:
    wanted = "".join(f'(import "{room}" "{name}" (func))' for room, name in imports)
    rest = '(memory 1) (data (i32.const 0) "wasi_unstable") (func (export "_start"))'
    return binary(f"(module {wanted} {rest})")


def imports_of(data: bytes) -> list[tuple[str, str]]:
    return [(one.module.decode(), one.name.decode()) for one in read_imports(data)[2]]


def test_functions_that_mean_the_same_come_from_preview_1() -> None:
    old = module((WASI_UNSTABLE, "fd_write"), (WASI_UNSTABLE, "proc_exit"), ("env", "fd_write"))
    assert imports_of(modernise(old)) == [
        (WASI_PREVIEW_1, "fd_write"),
        (WASI_PREVIEW_1, "proc_exit"),
        ("env", "fd_write"),
    ]


@pytest.mark.parametrize("name", UNSTABLE_ALONE)
def test_functions_that_mean_something_else_stay(name: str) -> None:
    old = module((WASI_UNSTABLE, name), (WASI_UNSTABLE, "fd_read"))
    assert imports_of(modernise(old)) == [(WASI_UNSTABLE, name), (WASI_PREVIEW_1, "fd_read")]


@pytest.mark.parametrize("name", ["sock_accept", "fd_writes", ""])
def test_functions_that_were_never_there_stay(name: str) -> None:
    old = module((WASI_UNSTABLE, name))
    assert modernise(old) == old


def test_every_function_of_then_is_one_of_preview_1_or_has_a_place_of_its_own() -> None:
    engine = wasmtime.Engine()
    linker, store = wasmtime.Linker(engine), wasmtime.Store(engine)
    linker.define_wasi()
    assert [name for name in _SAME if not linker.get(store, WASI_PREVIEW_1, name.decode())] == []
    assert len(_SAME) + len(UNSTABLE_ALONE) == 45  # as many as that snapshot had


def test_the_rest_of_the_module_is_as_it_was() -> None:
    old = module((WASI_UNSTABLE, "fd_write"))
    new = modernise(old)
    old_end, new_end = read_imports(old)[1], read_imports(new)[1]
    assert new[new_end:] == old[old_end:]
    wasmtime.Module.validate(wasmtime.Engine(), new)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(module(("env", "f")), id="nothing-old"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0asm\x01\0\0\0\x02\xffwasi_unstable", id="malformed"),
        pytest.param(binary("(component)") + b"wasi_unstable", id="a-component"),
    ],
)
def test_whatever_else_it_is_stays_as_it_is(data: bytes) -> None:
    assert modernise(data) is data
