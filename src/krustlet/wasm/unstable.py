"""The four functions of `wasi_unstable`, preview 1's forerunner, that mean something else there.

All others have the same meaning, and the compiler lets modules import them from preview 1.
These four are translated by a module of ours, which has the guest's memory and one of its own: it
copies what the guest wrote into its own in the new layout, lets preview 1 work on that, and copies
back. As it is WebAssembly, no address of the guest's leads outside the guest's memory.

It needs that memory to exist, so it is begun by the first call. It is compiled (without a thread)
before the walls rise: behind them no memory becomes executable.

Source: WASI, `phases/old/snapshot_0/witx/typenames.witx`, against `phases/snapshot/witx`.
"""

import ctypes
from typing import Final

from krustlet.wasm import capi
from krustlet.wasm.engine import WASI_UNSTABLE
from krustlet.wasm.traps import (
    EngineError,
    Trapped,
    abort,
    cause_of,
    check,
    error_of_guest,
)

_MEMORY: Final = b"memory"
_GUEST: Final = b"guest"
_FUNCTIONS: Final = {
    "fd_seek": [capi.I32, capi.I64, capi.I32, capi.I32],
    "fd_filestat_get": [capi.I32, capi.I32],
    "path_filestat_get": [capi.I32, capi.I32, capi.I32, capi.I32, capi.I32],
    "poll_oneoff": [capi.I32, capi.I32, capi.I32, capi.I32],
}
_NAMES: Final = [name.encode() for name in _FUNCTIONS]  # all of `UNSTABLE_ALONE`

_TRANSLATION: Final = rb"""
(module
  (import "guest" "memory" (memory $guest 0))
  (import "wasi_snapshot_preview1" "fd_seek"
    (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get"
    (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory $own (export "memory") 1)
  (global $nametoolong i32 (i32.const 37))
  (global $nomem i32 (i32.const 48))

  ;; Then: from here, from the end, absolute. Now: absolute, from here, from the end.
  (func (export "fd_seek")
    (param $fd i32) (param $offset i64) (param $whence i32) (param $into i32) (result i32)
    (local $errno i32)
    (if (i32.lt_u (local.get $whence) (i32.const 3))
      (then (local.set $whence
        (i32.rem_u (i32.add (local.get $whence) (i32.const 1)) (i32.const 3)))))
    (local.set $errno
      (call $fd_seek (local.get $fd) (local.get $offset) (local.get $whence) (i32.const 0)))
    (if (i32.eqz (local.get $errno))
      (then (i64.store $guest (local.get $into) (i64.load $own (i32.const 0)))))
    (local.get $errno))

  ;; Then the number of links had 32 bits, at 20. Now it has 64, at 24; the rest comes after it.
  (func $give_filestat (param $into i32)
    (i64.store $guest offset=48 (local.get $into) (i64.load $own offset=56 (i32.const 0)))
    (memory.copy $guest $own (local.get $into) (i32.const 0) (i32.const 17))
    (i32.store $guest offset=20 (local.get $into) (i32.load $own offset=24 (i32.const 0)))
    (memory.copy $guest $own
      (i32.add (local.get $into) (i32.const 24)) (i32.const 32) (i32.const 24)))

  (func (export "fd_filestat_get") (param $fd i32) (param $into i32) (result i32)
    (local $errno i32)
    (local.set $errno (call $fd_filestat_get (local.get $fd) (i32.const 0)))
    (if (i32.eqz (local.get $errno)) (then (call $give_filestat (local.get $into))))
    (local.get $errno))

  (func (export "path_filestat_get")
    (param $fd i32) (param $flags i32) (param $path i32) (param $bytes i32) (param $into i32)
    (result i32)
    (local $errno i32)
    (if (i32.gt_u (local.get $bytes) (i32.const 4096)) (then (return (global.get $nametoolong))))
    (memory.copy $own $guest (i32.const 64) (local.get $path) (local.get $bytes))
    (local.set $errno
      (call $path_filestat_get
        (local.get $fd) (local.get $flags) (i32.const 64) (local.get $bytes) (i32.const 0)))
    (if (i32.eqz (local.get $errno)) (then (call $give_filestat (local.get $into))))
    (local.get $errno))

  ;; Then a subscription had 56 bytes, as a clock had a number more, at 16. Now it has 48.
  (func $take_subscription (param $from i32) (param $into i32)
    (i64.store $own (local.get $into) (i64.load $guest (local.get $from)))
    (i64.store $own offset=8 (local.get $into) (i64.load $guest offset=8 (local.get $from)))
    (if (i32.load8_u $guest offset=8 (local.get $from))
      (then ;; a descriptor
        (i64.store $own offset=16 (local.get $into) (i64.load $guest offset=16 (local.get $from))))
      (else
        (i64.store $own offset=16 (local.get $into) (i64.load $guest offset=24 (local.get $from)))
        (i64.store $own offset=24 (local.get $into) (i64.load $guest offset=32 (local.get $from)))
        (i64.store $own offset=32 (local.get $into) (i64.load $guest offset=40 (local.get $from)))
        (i64.store $own offset=40 (local.get $into)
          (i64.load16_u $guest offset=48 (local.get $from))))))

  ;; Own memory: how many events at 0, subscriptions from 8, events of 32 bytes after them.
  (func (export "poll_oneoff")
    (param $in i32) (param $out i32) (param $count i32) (param $into i32) (result i32)
    (local $at i32) (local $events i32) (local $pages i32) (local $errno i32)
    (if (i32.gt_u (local.get $count) (i32.const 1000000)) (then (return (global.get $nomem))))
    (local.set $events
      (i32.add (i32.const 8) (i32.mul (local.get $count) (i32.const 48))))
    (local.set $pages ;; more than there are
      (i32.sub
        (i32.shr_u
          (i32.add (i32.add (local.get $events) (i32.mul (local.get $count) (i32.const 32)))
            (i32.const 65535))
          (i32.const 16))
        (memory.size $own)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then
        (if (i32.eq (memory.grow $own (local.get $pages)) (i32.const -1))
          (then (return (global.get $nomem))))))
    (local.set $at (i32.const 8))
    (block $taken
      (loop $next
        (br_if $taken (i32.eq (local.get $at) (local.get $events)))
        (call $take_subscription (local.get $in) (local.get $at))
        (local.set $in (i32.add (local.get $in) (i32.const 56)))
        (local.set $at (i32.add (local.get $at) (i32.const 48)))
        (br $next)))
    (local.set $errno
      (call $poll_oneoff
        (i32.const 8) (local.get $events) (local.get $count) (i32.const 0)))
    (if (i32.eqz (local.get $errno))
      (then
        (local.set $count (i32.load $own (i32.const 0)))
        (memory.copy $guest $own
          (local.get $out) (local.get $events) (i32.mul (local.get $count) (i32.const 32)))
        (i32.store $guest (local.get $into) (local.get $count))))
    (local.get $errno)))
"""

# What the functions answer into; apart from those of `modules`, whose guest is running.
_trap = capi.Pointer()
_module = capi.Pointer()
_instance = capi.Instance()
_memory = capi.Extern()
_function = capi.Extern()
_binary = capi.Vector()
_trap_at = ctypes.addressof(_trap)
_module_at = ctypes.addressof(_module)
_instance_at = ctypes.addressof(_instance)
_memory_at = ctypes.addressof(_memory)
_function_at = ctypes.addressof(_function)
_binary_at = ctypes.addressof(_binary)
_translator_at = _function_at + capi.Extern.of.offset


class Unstable:
    """Defines the four in a linker that has preview 1."""

    def __init__(self, engine: int, linker: int) -> None:
        self._engine = engine
        self._linker = linker
        self._compiled = 0
        self._begun = False
        self._callback = capi.RawCallback(self._serve)
        for number, (name, parameters) in enumerate(_FUNCTIONS.items()):
            capi.define(linker, WASI_UNSTABLE, name, parameters, [capi.I32], self._callback, number)

    def prepare(self) -> None:
        """Compile the translation."""
        check(capi.wat_to_wasm(_TRANSLATION, len(_TRANSLATION), _binary_at))
        check(capi.module_new(self._engine, _binary.data, _binary.size, _module_at))
        self._compiled = _module.value or 0

    def _serve(self, number: int | None, caller: int, values: int, count: int) -> int | None:
        """Have the translation answer the guest's call; its trap is the guest's."""
        try:
            context = capi.caller_context(caller)
            self._begin(caller, context)
            name = _NAMES[number or 0]
            capi.instance_export_get(context, _instance_at, name, len(name), _function_at)
            call = (context, _translator_at, values, count, _trap_at)
            if error := capi.raw_func_call(*call):
                raise error_of_guest(error)
        except (EngineError, Trapped) as exc:
            said = cause_of(exc).encode()  # who looks at the trap, sees where the guest was
            return int(capi.trap_new(said, len(said)))
        except BaseException:  # noqa: BLE001 - the wall
            abort()
        trap, _trap.value = _trap.value, None
        return trap

    def _begin(self, caller: int, context: int) -> None:
        if self._begun:
            return
        found = capi.caller_export_get(caller, _MEMORY, len(_MEMORY), _memory_at)
        if not found or _memory.kind != capi.MEMORY:
            raise EngineError("missing required memory export")
        here = (self._linker, context)
        check(capi.linker_define(*here, _GUEST, len(_GUEST), _MEMORY, len(_MEMORY), _memory_at))
        check(capi.linker_instantiate(*here, self._compiled, _instance_at, _trap_at))
        self._begun = True
