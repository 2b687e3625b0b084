"""The binary format's imports are read as they are, and nothing odd gets through."""

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from krustlet.wasm.sections import (
    Import,
    Malformed,
    import_section,
    is_component,
    number,
    read_imports,
)
from tests.support.wasm_sources import binary

HEADER = b"\0asm\x01\0\0\0"
EVERY_KIND = binary("""
    (module
      (type (func (param i32) (result i64)))
      (import "functions" "f" (func (type 0)))
      (import "tables" "t" (table 1 2 funcref))
      (import "tables" "of others" (table 0 externref))
      (import "tables" "never null" (table 0 (ref null func)))
      (import "memories" "m" (memory 1))
      (import "memories" "at most" (memory 1 65536))
      (import "memories" "of 64 bits" (memory i64 1 281474976710656))
      (import "memories" "shared" (memory 1 2 shared))
      (import "globals" "g" (global v128))
      (import "globals" "changed" (global (mut i32)))
      (import "tags" "" (tag (param i32)))
      (import "ü" "\\00" (func (type 0)))
      (func (export "_start")))
""")


def names(module: bytes) -> list[tuple[str, str]]:
    return [(one.module.decode(), one.name.decode()) for one in read_imports(module)[2]]


def test_imports_of_every_kind_are_read_as_the_engine_reads_them() -> None:
    config = wasmtime.Config()
    for proposal in ("wasm_memory64", "wasm_multi_memory", "wasm_exceptions", "shared_memory"):
        setattr(config, proposal, True)
    module = wasmtime.Module(wasmtime.Engine(config), EVERY_KIND)
    assert names(EVERY_KIND) == [(one.module, one.name) for one in module.imports]


def test_they_are_written_as_they_were_read() -> None:
    start, end, imports = read_imports(EVERY_KIND)
    assert import_section(imports) == EVERY_KIND[start:end]


def test_a_module_may_have_none() -> None:
    assert read_imports(HEADER) == (0, 0, [])
    assert read_imports(binary('(module (func (export "f")))')) == (0, 0, [])


@pytest.mark.parametrize("size", range(len(EVERY_KIND)))
def test_a_module_cut_short_is_malformed_or_misses_whole_sections(size: int) -> None:
    try:
        _, end, imports = read_imports(EVERY_KIND[:size])
    except Malformed:
        return
    assert end <= size
    assert imports in ([], read_imports(EVERY_KIND)[2])


def section(content: bytes) -> bytes:
    return HEADER + b"\x02" + number(len(content)) + content


@pytest.mark.parametrize(
    ("module", "why"),
    [
        pytest.param(b"", "it is no core module", id="nothing"),
        pytest.param(b"\0asm\x0d\0\x01\0", "it is no core module", id="a-component"),
        pytest.param(section(b"\xff\xff\xff\xff\x0f"), "it ends where", id="far-too-many"),
        pytest.param(section(b"\xff\xff\xff\xff\x1f"), "over 32 bits", id="a-number-too-large"),
        pytest.param(section(b"\x80\x80\x80\x80\x80\0"), "over 32 bits", id="a-number-too-long"),
        pytest.param(section(b"\0\0"), "bytes are left", id="more-than-is-counted"),
        pytest.param(section(b"\x01\0\0\x05"), "unknown kind 5", id="a-kind-to-come"),
        pytest.param(section(b"\x01\0\0\x02\x10\0"), "unknown kind 16", id="limits-to-come"),
        pytest.param(section(b"\x01\x7fab"), "127 bytes are to follow", id="a-name-too-long"),
        pytest.param(HEADER + b"\x02\x05", "5 bytes are to follow", id="a-section-cut-short"),
    ],
)
def test_what_is_not_of_the_format_is_malformed(module: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read_imports(module)


@given(st.binary(max_size=300))
def test_whatever_the_bytes_they_are_read_or_malformed(data: bytes) -> None:
    try:
        start, end, imports = read_imports(section(data))
    except Malformed:
        return
    assert (start, end) == (0, 0) or len(imports) <= end - start


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_a_number_is_read_as_it_was_written(value: int) -> None:
    long_name = Import(b"", b"", b"\0" + number(value))
    assert read_imports(HEADER + import_section([long_name]))[2] == [long_name]


def test_components_are_told_by_their_header() -> None:
    assert is_component(binary("(component)"))
    assert not is_component(binary("(module)"))
    assert not is_component(b"\0asm")
    assert not is_component(b"\x7fELF\x0d\0\x01\0")
