"""What a guest is given: words, directories, streams, the network, and how much of it all."""

import ctypes
from collections.abc import Sequence
from typing import Final

from krustlet.wasm import capi
from krustlet.wasm.traps import EngineError, in_one_line

_UNLIMITED: Final = -1
# Of each guest, besides the bytes of each of its memories. Generous, as the cgroup bounds their
# sum: what is linked of a hundred components fits. The engine itself would take ten thousand of
# each, and tables without end.
_TABLE_ELEMENTS: Final = 1_000_000
_INSTANCES: Final = 1_000
_TABLES: Final = 1_000
_MEMORIES: Final = 100

_FEW: Final = 64
_SOCKETS_SWITCHED_OFF: Final = any(capi.is_version(version) for version in ("50.0.1",))
_FewWords: Final = capi.Text * _FEW  # most arrays fit one, so that a child need not make a type


def make_wasi(argv: Sequence[str], env: Sequence[tuple[str, str]], *, network: bool = False) -> int:
    """What a guest is given; its standard streams are this process' own.

    Raises:
        EngineError: a word of it cannot be given to a guest.
    """
    wasi = capi.wasi_new()
    words = _array(argv, "an argument")
    if not capi.wasi_set_argv(wasi, len(argv), ctypes.addressof(words)):
        raise EngineError("the engine does not take these arguments")
    names = _array([name for name, _ in env], "a variable's name")
    values = _array([value for _, value in env], "a variable")
    if not capi.wasi_set_env(wasi, len(env), ctypes.addressof(names), ctypes.addressof(values)):
        raise EngineError("the engine does not take these variables")
    capi.wasi_inherit_stdin(wasi)
    capi.wasi_inherit_stdout(wasi)
    capi.wasi_inherit_stderr(wasi)
    if network:
        _allow_network(wasi)
    return int(wasi)


def _allow_network(wasi: int) -> None:
    """Let it reach every address, open sockets, and look names up.

    Since version 48 WASI has sockets switched off, and the C API has nothing to switch them on by:
    what lets a guest reach all addresses leaves it without a socket. The two switches are the bytes
    right behind that of the name lookup (`AllowedNetworkUses` in wasmtime-wasi's `sockets/mod.rs`),
    so that the function for that one does for them. In versions that were looked at, only.

    Source: bytecodealliance/wasmtime, pull request 13936.
    """
    capi.wasi_inherit_network(wasi)
    capi.wasi_allow_name_lookup(wasi, True)
    if _SOCKETS_SWITCHED_OFF:
        capi.wasi_allow_name_lookup(wasi + 1, True)
        capi.wasi_allow_name_lookup(wasi + 2, True)


def preopen(wasi: int, *, host: str, guest: str, read_only: bool) -> bool:
    """Show the host's directory to the guest; whether that is possible."""
    paths = as_text(host, "a path"), as_text(guest, "a path")
    return bool(capi.wasi_preopen_dir(wasi, *paths, not read_only))


def new_context(engine: int, wasi: int, memory_bytes: int | None) -> int:
    """A place for one guest to run in, with all that it is given and no more than it may have."""
    store = capi.store_new(engine, None, None)
    limit = _UNLIMITED if memory_bytes is None else memory_bytes
    capi.store_limit(store, limit, _TABLE_ELEMENTS, _INSTANCES, _TABLES, _MEMORIES)
    context = capi.store_context(store)
    if error := capi.context_set_wasi(context, wasi):
        raise EngineError(in_one_line(error))
    return int(context)


def as_text(text: str, what: str) -> bytes:
    """`text` as C takes it.

    Raises:
        EngineError: C would cut it short; `what` it is, as it may hold a secret.
    """
    data = text.encode()
    if b"\0" in data:
        raise EngineError(f"{what} holds a zero byte")
    return data


def _array(words: Sequence[str], what: str) -> "ctypes.Array[ctypes.c_char_p]":
    make = _FewWords if len(words) <= _FEW else capi.Text * len(words)
    return make(*[as_text(word, what) for word in words])
