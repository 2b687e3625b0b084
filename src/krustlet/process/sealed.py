"""What only the child may know, in one piece: it travels in a memfd that nobody else reads."""

import msgspec

from krustlet.process.walls import Walls


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What a child is given.

    Attributes:
        payload: for its runner.
    """

    walls: Walls
    payload: bytes


encode_sealed = msgspec.msgpack.Encoder().encode
decode_sealed = msgspec.msgpack.Decoder(Sealed).decode
