"""What the wasm runner is given, sealed: everything a container knows, its secrets included."""

import msgspec


class Preopen(msgspec.Struct, frozen=True):
    """A host directory that the guest finds at `guest`."""

    host: str
    guest: str
    read_only: bool = False


class WasmLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a compiled module.

    Attributes:
        code: path of native code out of the AOT cache.
        argv: what the guest sees, its own name first.
        env: variables in the order given.
        preopens: the guest's whole file system.
    """

    code: str
    argv: list[str]
    env: list[tuple[str, str]] = []
    preopens: list[Preopen] = []


encode_launch = msgspec.msgpack.Encoder().encode
decode_launch = msgspec.msgpack.Decoder(WasmLaunch).decode
