"""The compile step tells what something is, what it needs, and what of it is to be run."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import wasmtime

from krustlet.wasm.compile import compile_module, make_engine
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.outcome import Inspection, Outcome, Rejection
from tests.support import components
from tests.support.wasm_sources import binary, command_component, nested_component

EXIT = '(import "wasi:cli/exit@{version}" (instance (export "exit" (func (param "status" {of})))))'
RESOURCE = "(type (sub resource))"

Compile = Callable[..., Outcome]


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return make_engine(EngineSettings())


@pytest.fixture
def into(tmp_path: Path) -> BinaryIO:
    return (tmp_path / "code").open("w+b")


@pytest.fixture
def compiled(engine: wasmtime.Engine, into: BinaryIO) -> Compile:
    def compiled(source: str | bytes) -> Outcome:
        data = source.encode() if isinstance(source, str) else source
        with into:
            return compile_module(engine, data, into=into.fileno())

    return compiled


def inspected(outcome: Outcome) -> Inspection:
    assert isinstance(outcome, Inspection), outcome
    return outcome


def rejected(outcome: Outcome) -> Rejection:
    assert isinstance(outcome, Rejection), outcome
    return outcome


# what it is ---------------------------------------------------------------------------------------


def test_a_module_is_a_command_by_its_start(compiled: Compile) -> None:
    known = inspected(compiled('(module (func (export "_start")) (func (export "other")))'))
    assert (known.kind, known.entry, known.exports) == ("module", "_start", ["_start", "other"])


def test_a_module_without_is_none(compiled: Compile) -> None:
    assert inspected(compiled('(module (func (export "run")))')).entry == ""


@pytest.mark.parametrize("form", ["text", "binary"])
@pytest.mark.parametrize("version", ["0.2.0", "0.2.3", "0.2.12", "0.2.99"])
def test_a_component_is_a_command_by_its_run(compiled: Compile, form: str, version: str) -> None:
    text = command_component(run=f"wasi:cli/run@{version}")
    known = inspected(compiled(binary(text) if form == "binary" else text))
    assert (known.kind, known.entry) == ("component", f"wasi:cli/run@{version}")
    assert known.missing == []


@pytest.mark.parametrize("run", ["wasi:cli/run@0.3.0", "wasi:cli/run@0.1.0", "my:cli/run@0.2.0"])
def test_another_run_is_none_that_is_known_here(compiled: Compile, run: str) -> None:
    known = inspected(compiled(command_component(run=run)))
    assert (known.entry, known.exports) == ("", [run])


@pytest.mark.parametrize(
    ("export", "core", "type_"),
    [
        pytest.param(
            "run", "(param i32) (result i32)", '(param "a" u32) (result (result))', id="in"
        ),
        pytest.param("run", "", "", id="out"),
        pytest.param("run", "(result i32)", "(result u32)", id="another-result"),
        pytest.param("run", "(result i32)", "(result (result u32))", id="a-result-with-more"),
        pytest.param("start", "(result i32)", "(result (result))", id="another-name"),
    ],
)
def test_a_run_of_another_shape_is_none(
    compiled: Compile, export: str, core: str, type_: str
) -> None:
    text = f"""(component
      (core module $m (memory (export "m") 1) (func (export "f") {core} unreachable))
      (core instance $i (instantiate $m))
      (alias core export $i "m" (core memory $m))
      (func $f {type_} (canon lift (core func $i "f") (memory $m)))
      (instance $command (export "{export}" (func $f)))
      (export "wasi:cli/run@0.2.0" (instance $command)))"""
    known = inspected(compiled(text))
    assert (known.entry, known.exports) == ("", ["wasi:cli/run@0.2.0"])


def test_the_code_is_written_and_described(engine: wasmtime.Engine, into: BinaryIO) -> None:
    known = inspected(compile_module(engine, b"(module)", into=into.fileno()))
    into.seek(0)
    code = into.read()
    into.close()
    assert known.code_bytes == len(code)
    assert wasmtime.Module.deserialize(engine, code).exports == []


# what it needs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.2.0", "0.2.6", "0.2.12", "0.2.99"])
def test_imports_of_any_patch_are_there(compiled: Compile, version: str) -> None:
    exit_ = EXIT.format(version=version, of="(result)")
    assert inspected(compiled(command_component(exit_))).missing == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(components.printing("hello"), id="streams"),
        pytest.param(components.reading("note"), id="files"),
        pytest.param(components.connecting(80), id="sockets"),
    ],
)
def test_a_resource_that_one_interface_takes_from_another_is_there_once(
    compiled: Compile, text: str
) -> None:
    known = inspected(compiled(text))
    assert (known.missing, known.entry) == ([], "wasi:cli/run@0.2.0")


def test_a_resource_of_another_kind_is_missing_under_the_name_of_one_that_is_there(
    compiled: Compile,
) -> None:
    streams = f"""
      (import "wasi:io/error@0.2.0" (instance (export "error" {RESOURCE})))
      (import "wasi:io/streams@0.2.0" (instance (export "error" {RESOURCE})))
    """
    known = inspected(compiled(command_component(streams)))
    assert known.missing == ["wasi:io/streams@0.2.0#error"]


def test_all_that_is_missing_is_named(compiled: Compile) -> None:
    known = inspected(
        compiled(
            command_component(
                f'(import "wasi:io/streams@0.2.0" (instance (export "input-stream" {RESOURCE})))',
                f'(import "wasi:http/types@0.2.0" (instance (export "fields" {RESOURCE})))',
                '(import "wasi:cli/exit@0.2.0" (instance (export "leave" (func))))',
                '(import "wasi:cli/exit@0.2.1" (instance (export "leave" (func))))',
                '(import "wasi:cli/exit@0.3.0" (instance (export "exit" (func))))',
                '(import "my:own/world" (instance (type $t u32) (export "t" (type (eq $t)))))',
                '(import "plain" (func))',
            )
        )
    )
    assert known.missing == [
        "wasi:http/types@0.2.0#fields",
        "wasi:cli/exit@0.2.0#leave",
        "wasi:cli/exit@0.2.1#leave",
        "wasi:cli/exit@0.3.0#exit",
        "plain",
    ]


def test_what_is_there_as_something_else_is_told(compiled: Compile) -> None:
    refused = rejected(compiled(command_component(EXIT.format(version="0.2.0", of="u32"))))
    assert refused.kind == "imports"
    assert "wasi:cli/exit@0.2.0" in refused.message
    assert "expected `result` found `u32`" in refused.message


def test_so_is_what_a_module_expects(compiled: Compile) -> None:
    refused = rejected(
        compiled('(module (import "wasi_snapshot_preview1" "fd_write" (func (param i64))))')
    )
    assert refused.kind == "imports"
    assert "wasi_snapshot_preview1::fd_write" in refused.message


def test_an_old_module_lacks_nothing(compiled: Compile) -> None:
    known = inspected(
        compiled("""(module
          (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
          (import "wasi_unstable" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
          (import "wasi_unstable" "fd_filestat_get" (func (param i32 i32) (result i32)))
          (import "wasi_unstable" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
          (import "wasi_unstable" "path_filestat_get"
            (func (param i32 i32 i32 i32 i32) (result i32)))
          (func (export "_start")))""")
    )
    assert (known.missing, known.entry) == ([], "_start")


def test_an_old_module_may_lack_something(compiled: Compile) -> None:
    known = inspected(compiled('(module (import "wasi_unstable" "sock_accept" (func)))'))
    assert known.missing == ["wasi_unstable::sock_accept"]


def test_nothing_of_it_runs(engine: wasmtime.Engine) -> None:
    traps = "(func $f unreachable) (start $f)"
    component = f"(component (core module $m {traps}) (core instance (instantiate $m)))"
    with open(os.devnull, "wb") as into:
        for text in (f"(module {traps})", component):
            assert inspected(compile_module(engine, text.encode(), into=into.fileno()))


# what people are shown ----------------------------------------------------------------------------


def test_names_are_cut_and_cannot_upset_a_terminal(compiled: Compile) -> None:
    many = "".join(f'(export "{number}" (func 0))' for number in range(1000))
    odd = f'(export "\\1b[2Ja\\nb" (func 0)) (export "{"x" * 1000}" (func 0)) (export "ä" (func 0))'
    known = inspected(compiled(f"(module (func) {odd} {many})"))
    assert known.exports[:3] == ["\\x1b[2Ja\\nb", "x" * 120, "ä"]
    assert known.exports[-1] == "903 more"
    assert len(known.exports) == 101


def test_the_engines_words_are_cut(compiled: Compile) -> None:
    refused = rejected(compiled("(module " + "(nonsense " * 10 + "x" * 10_000))
    assert len(refused.message) < 2100


# settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text", "said"),
    [
        (
            EngineSettings(simd=False),
            "(module (func (drop (v128.const i32x4 0 0 0 0))))",
            "SIMD support is not enabled",
        ),
        (EngineSettings(), "(module (memory 1 1 shared))", "threads must be enabled"),
        (
            EngineSettings(),
            "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
            "threads support is not enabled",
        ),
    ],
)
def test_what_is_off_is_refused_and_said(settings: EngineSettings, text: str, said: str) -> None:
    with open(os.devnull, "wb") as into:
        refused = compile_module(make_engine(settings), text.encode(), into=into.fileno())
        assert said in rejected(refused).message
        on = EngineSettings(threads=True)
        assert inspected(compile_module(make_engine(on), text.encode(), into=into.fileno()))


# hostile ------------------------------------------------------------------------------------------


def test_i_ten_thousand_nested_instances_are_no_more_work_than_their_text(
    compiled: Compile,
) -> None:
    known = inspected(compiled(nested_component(levels=4, width=10)))
    assert known.code_bytes < 1 << 20


@pytest.mark.parametrize(
    "what", ["(instance (instantiate $c))", "(core instance (instantiate $m))"]
)
def test_i_ten_thousand_instances_side_by_side_are_refused(compiled: Compile, what: str) -> None:
    text = f"(component (component $c) (core module $m) {what * 10_000})"
    assert "count exceeds limit" in rejected(compiled(text)).message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b";;\n" * 300_000 + b"x", id="lines"),
        pytest.param(b"(;" * 300_000, id="blocks"),
        pytest.param(b"(;;)" * 300_000, id="many-blocks"),
        pytest.param(b" " * 1_000_000, id="space"),
    ],
)
def test_comments_without_end_are_looked_through_quickly(compiled: Compile, text: bytes) -> None:
    assert rejected(compiled(text)).kind == "not-wasm"
