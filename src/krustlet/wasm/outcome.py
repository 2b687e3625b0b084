"""What a compiler process tells of a module; the cache keeps what is good of it."""

import msgspec


class Inspection(msgspec.Struct, frozen=True, tag="ok"):
    """What a module is, told once and kept beside its native code.

    Attributes:
        exports: names, in the module's order.
        missing: imports that nobody here provides, each `module::name`.
        code_digest: `sha256:<hex>` of the native code.
        code_bytes: size of the native code.
    """

    exports: list[str]
    missing: list[str]
    code_digest: str
    code_bytes: int


class Rejection(msgspec.Struct, frozen=True, tag="rejected"):
    """Why there is no native code.

    Attributes:
        kind: `changed`, `not-wasm`, `component` or `invalid`.
        message: what the engine says, for a person.
    """

    kind: str
    message: str


Outcome = Inspection | Rejection
