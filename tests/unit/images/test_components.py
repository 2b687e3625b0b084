import pytest
import wasmtime

from krustlet.images.components import Interfaces, NotReadable, interfaces_of

COMPONENT = """
(component
  (import "wasi:cli/environment@0.2.0" (instance $env))
  (import "name" (func $f))
  (import "thing" (type $t (sub resource)))
  (core module $m)
  (instance $i)
  (export "wasi:cli/run@0.2.0" (instance $i))
  (export "again" (func $f))
  (export "typed" (instance $i) (instance))
)
"""


def test_a_component_tells_what_it_needs_and_offers() -> None:
    assert interfaces_of(bytes(wasmtime.wat2wasm(COMPONENT))) == Interfaces(
        imports=["wasi:cli/environment@0.2.0", "name", "thing"],
        exports=["wasi:cli/run@0.2.0", "again", "typed"],
    )


def test_a_core_module_has_no_interfaces() -> None:
    assert interfaces_of(bytes(wasmtime.wat2wasm('(module (memory (export "m") 1))'))) is None


def test_what_is_not_understood_in_a_component_is_left_out() -> None:
    name = b"\x00\x01a"
    imports = b"\x02" + name + b"\x05\x00" + name + b"\x7f"
    component = b"\0asm\x0d\0\1\0" + bytes([10, len(imports)]) + imports
    assert interfaces_of(component) == Interfaces(imports=["a", "a"], exports=[])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"(module)", id="text"),
        pytest.param(b"\0asm\2\0\0\0", id="a-version-to-come"),
        pytest.param(b"\0asm\1\0\0\0\x01\x05\0", id="a-module-cut-short"),
        pytest.param(b"\0asm\x0d\0\1\0\x0a\xff", id="a-component-cut-short"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(NotReadable):
        interfaces_of(data)
