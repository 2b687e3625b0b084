"""Look at what was compiled: what of it is to be run, and whether all that it needs is here.

What hosts provide is asked of the engine's own linkers, which are what `command` gives to guests,
too. Nothing of the guest runs: linked into a store that has room for no instance, it is compared
with what it would be given, and goes no further.
"""

import re
from collections.abc import Callable, Iterator
from ctypes import byref
from typing import Final, NamedTuple

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as model
from wasmtime.component._types import ComponentExtern

from krustlet.wasm.engine import WASI_UNSTABLE

COMMAND: Final = "_start"
_RUN: Final = re.compile(r"wasi:cli/run@0\.2\.\d+")
_WASI_0_2: Final = re.compile(r"(wasi:[a-z-]+/[a-z-]+@0\.2\.)\d+")
_PATCHES: Final = range(100)
_NO_ROOM: Final = "resource limit exceeded"  # all that is wrong: its instances have no room

_INSTANCE: Final = ffi.WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE.value
_FUNCTION: Final = ffi.WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC.value
_TYPE: Final = ffi.WASMTIME_COMPONENT_ITEM_TYPE.value
_RESOURCE: Final = ffi.WASMTIME_COMPONENT_ITEM_RESOURCE.value

_I32, _I64 = wasmtime.ValType.i32, wasmtime.ValType.i64
_UNSTABLE: Final = {  # see `engine.UNSTABLE_ALONE`
    "fd_seek": (_I32, _I64, _I32, _I32),
    "fd_filestat_get": (_I32, _I32),
    "path_filestat_get": (_I32, _I32, _I32, _I32, _I32),
    "poll_oneoff": (_I32, _I32, _I32, _I32),
}


class Linkage(NamedTuple):
    """What is known of a module by its imports and exports.

    Attributes:
        entry: the export that is to be run; empty if nothing can be.
        exports: all of them.
        missing: imports that nobody here provides.
        mismatch: the engine's words for an import that is provided as something else.
    """

    entry: str
    exports: list[str]
    missing: list[str]
    mismatch: str


# core modules -------------------------------------------------------------------------------------


def look_at_module(engine: wasmtime.Engine, module: wasmtime.Module) -> Linkage:
    """What a core module needs and offers."""
    store = _store_without_room(engine)
    linker = _preview_1(engine)
    exports = [export.name for export in module.exports]
    missing = [
        f"{wanted.module}::{wanted.name}"
        for wanted in module.imports
        if not _provides(linker, store, wanted)
    ]
    mismatch = "" if missing else _mismatch(lambda: linker.instantiate(store, module))
    return Linkage(COMMAND if COMMAND in exports else "", exports, missing, mismatch)


def _preview_1(engine: wasmtime.Engine) -> wasmtime.Linker:
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    for name, parameters in _UNSTABLE.items():
        type_ = wasmtime.FuncType([make() for make in parameters], [_I32()])
        linker.define_func(WASI_UNSTABLE, name, type_, _never_called)
    return linker


def _provides(linker: wasmtime.Linker, store: wasmtime.Store, wanted: wasmtime.ImportType) -> bool:
    try:
        linker.get(store, wanted.module, wanted.name or "")
    except wasmtime.WasmtimeError:
        return False
    return True


# components ---------------------------------------------------------------------------------------


def look_at_component(engine: wasmtime.Engine, component: model.Component) -> Linkage:
    """What a component needs and offers."""
    exports = component.type.exports(engine)
    entry = next((name for name, what in exports.items() if _is_run(engine, name, what)), "")
    missing = list(_missing(engine, component))
    mismatch = "" if missing else _mismatch(lambda: _link(engine, component))
    return Linkage(entry, list(exports), missing, mismatch)


def _link(engine: wasmtime.Engine, component: model.Component) -> None:
    linker = model.Linker(engine)
    linker.add_wasip2()
    linker.instantiate(_store_without_room(engine), component)


def _is_run(engine: wasmtime.Engine, name: str, what: ComponentExtern) -> bool:
    """Whether this is `wasi:cli/run`, with its one function as the standard has it."""
    if not _RUN.fullmatch(name) or _kind(what) != _INSTANCE:
        return False
    run = _exports(engine, what).get("run")
    if run is None or _kind(run) != _FUNCTION:
        return False
    function = run.ty
    assert isinstance(function, model.FuncType)
    result = function.result
    nothing_in = ffi.wasmtime_component_func_type_param_count(function.ptr()) == 0
    return nothing_in and isinstance(result, model.ResultType) and not (result.ok or result.err)


def _missing(engine: wasmtime.Engine, component: model.Component) -> Iterator[str]:
    hosts = _Hosts(engine)
    provided: list[model.ResourceType] = []
    for name, what in component.type.imports(engine).items():
        kind = _kind(what)
        if kind == _INSTANCE:
            for item, inner in _exports(engine, what).items():
                if not _has_to_come_from_outside(inner):
                    continue
                if hosts.provide(name, item):
                    provided += _resource(inner)
                elif not any(one in provided for one in _resource(inner)):
                    yield f"{name}#{item}"
        elif _has_to_come_from_outside(what):
            yield name


class _Hosts:
    """What the engine's linker has of preview 2.

    It does not tell, but refuses to be given a second time what it has.
    """

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._linker = model.Linker(engine)
        self._linker.add_wasip2()
        self._answers: dict[tuple[str, str], bool] = {}
        probe = model.Linker(engine)
        probe.add_wasip2()
        self._patch = next(
            patch for patch in _PATCHES if _has(probe, f"wasi:cli/exit@0.2.{patch}", "exit")
        )

    def provide(self, interface: str, item: str) -> bool:
        """Whether there is an `item` in `interface`, of whatever patch its version is."""
        if match := _WASI_0_2.fullmatch(interface):
            interface = f"{match[1]}{self._patch}"
        asked = interface, item
        if asked not in self._answers:
            self._answers[asked] = _has(self._linker, interface, item)
        return self._answers[asked]


def _has(linker: model.Linker, interface: str, item: str) -> bool:
    with linker.root() as root, root.add_instance(interface) as instance:
        try:
            instance.add_func(item, _never_called)
        except wasmtime.WasmtimeError:
            return True
    return False


def _exports(engine: wasmtime.Engine, instance: ComponentExtern) -> dict[str, ComponentExtern]:
    type_ = instance.ty
    assert isinstance(type_, model.ComponentInstanceType)
    return type_.exports(engine)


def _resource(what: ComponentExtern) -> list[model.ResourceType]:
    """The resource that this is, if it is one.

    An interface names again what it takes from another, as `wasi:io/streams` does the `error` of
    `wasi:io/error`. That is provided once, there.
    """
    if _kind(what) != _RESOURCE:
        return []
    type_ = what.ty
    assert isinstance(type_, model.ResourceType)
    return [type_]


def _has_to_come_from_outside(what: ComponentExtern) -> bool:
    """All but names of types."""
    return _kind(what) != _TYPE


def _kind(what: ComponentExtern) -> int:
    """What it is, without making Python objects of types that may be monstrous."""
    item = ffi.wasmtime_component_item_t()
    ffi.wasmtime_component_extern_type(what.ptr(), byref(item))
    kind = int(item.kind)
    ffi.wasmtime_component_item_delete(byref(item))
    return kind


# both ---------------------------------------------------------------------------------------------


def _store_without_room(engine: wasmtime.Engine) -> wasmtime.Store:
    store = wasmtime.Store(engine)
    store.set_limits(instances=0)
    return store


def _mismatch(link: Callable[[], object]) -> str:
    try:
        link()
    except wasmtime.WasmtimeError as exc:
        return "" if str(exc).startswith(_NO_ROOM) else str(exc)
    return ""


def _never_called(*_: object) -> None:
    raise AssertionError("nothing of a guest runs where it is compiled")
