"""Work on keys and certificates for a while: `cryptography` is megabytes, needed once a day.

Run by `apart.py`, with a socket as stdin: `Known` crafts come in, what comes of them goes out, each
as MessagePack behind its length. Ends when nobody has asked for some time. Keys are nowhere else,
so not where the list of processes shows them.
"""

import select
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from krustlet.certificates.crafts import Known
from krustlet.certificates.frames import receive, send

_LIFE_S: Final = 60  # longer than anybody waits; for when the node has died meanwhile


def main() -> None:
    """Answer until the other side goes, or is silent for as many seconds as the argument says."""
    sys.excepthook = _tell_where
    patience_s = float(_LIFE_S)  # for the first one, which is on its way
    with socket.socket(fileno=sys.stdin.fileno()) as node:
        while select.select([node], [], [], patience_s)[0] and (told := receive(node)) is not None:
            signal.alarm(_LIFE_S)
            craft = msgspec.msgpack.decode(told, type=Known)
            send(node, msgspec.msgpack.encode(craft.done()))
            signal.alarm(0)
            patience_s = float(sys.argv[1])


def _tell_where(kind: type[BaseException], _: object, trace: TracebackType | None) -> None:
    """What went wrong, without its words: nobody knows what of a key they might quote."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    sys.stderr.write(f"{kind.__name__}{place}\n")


if __name__ == "__main__":
    main()
