"""What the wasm runner is given, sealed: everything a container knows, its secrets included."""

from typing import Final

import msgspec

MODULE: Final = "module"
UNSTABLE: Final = "unstable"
COMPONENT: Final = "component"


class Preopen(msgspec.Struct, frozen=True):
    """A host directory that the guest finds at `guest`."""

    host: str
    guest: str
    read_only: bool = False


class WasmLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a compiled module.

    Attributes:
        code: path of native code out of the AOT cache.
        kind: what was compiled: `MODULE`, a preview-1 command, `UNSTABLE`, one that needs what only
            `wasi_unstable` had, or `COMPONENT`, a preview-2 one.
        argv: what the guest sees, its own name first.
        env: variables in the order given.
        preopens: the guest's whole file system.
        working_dir: told the guest as `PWD`, unless `env` has one; WASI itself knows of none.
        network: whether it may open sockets and look up names; only components can.
        memory_bytes: of each of its memories; None for what the engine's settings say.
    """

    code: str
    kind: str = MODULE
    argv: list[str]
    env: list[tuple[str, str]] = []
    preopens: list[Preopen] = []
    working_dir: str = ""
    network: bool = True
    memory_bytes: int | None = None


encode_launch = msgspec.msgpack.Encoder().encode
decode_launch = msgspec.msgpack.Decoder(WasmLaunch).decode
