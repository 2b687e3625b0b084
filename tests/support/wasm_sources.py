"""Modules and components that tests write themselves, in text or by the byte."""

import wasmtime

from krustlet.wasm.sections import number

_RUNS = """
  (core module $program (func (export "run") (result i32) (i32.const 0)))
  (core instance $running (instantiate $program))
  (func $run (result (result)) (canon lift (core func $running "run")))
  (instance $command (export "run" (func $run)))
  (export "{run}" (instance $command))
"""


def command_component(*imports: str, run: str = "wasi:cli/run@0.2.3") -> str:
    """A component that succeeds, exported as `run`.

    Args:
        imports: each the text of an `(import …)`.
    """
    return f"(component {' '.join(imports)} {_RUNS.format(run=run)})"


def nested_component(*, levels: int, width: int) -> str:
    """A component of `width` to the power of `levels` instances of a core module."""
    text = "(component $level0 (core module $m) (core instance (instantiate $m)))"
    for level in range(1, levels + 1):
        inside = f"(instance (instantiate $level{level - 1}))" * width
        text = f"(component $level{level} {text} {inside})"
    return text


def laborious_module(*, loops: int, variables: int) -> bytes:
    """A small module of one function that the compiler is at for long: 4000 by 1000, a minute.

    In each of many loops one variable may change, and each variable has to be told from itself
    before the loop, and before all others.
    """
    body = bytearray()
    for loop in range(loops):
        changed, asked = number(loop % variables), number((loop * 7 + 1) % variables)
        body += b"\x03\x40"  # loop
        body += b"\x20" + changed + b"\x04\x40"  # local.get, if
        body += b"\x20" + asked + b"\x41\x01\x6a\x21" + changed + b"\x0b"  # changed = asked + 1
        body += b"\x20" + asked + b"\x0d\x00\x0b"  # local.get, br_if 0
    function = number(1) + number(variables) + b"\x7f" + bytes(body) + b"\x0b"
    code = number(1) + number(len(function)) + function
    return b"".join(
        (
            b"\0asm\x01\0\0\0",
            b"\x01\x04\x01\x60\0\0",  # a type: nothing in, nothing out
            b"\x03\x02\x01\0",  # a function of it
            b"\x07\x0a\x01\x06_start\0\0",  # exported
            b"\x0a" + number(len(code)) + code,
        )
    )


def binary(text: str) -> bytes:
    """The binary form of a text."""
    return bytes(wasmtime.wat2wasm(text))
