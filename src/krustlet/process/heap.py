"""Make the zygote's memory fit to be shared: whatever a child writes to, it copies.

A child writes where it allocates. The holes that imports leave in the C library's heap lie on
hundreds of pages; filled up here, they are on nobody's way, and a child allocates from a few fresh
pages in a row. Measured with the wasm runner: 0.4 MB less in each container.
"""

import ctypes
import gc
from typing import Final

# In bytes. The small ones all have a list of their own, out of which nothing else is served.
_HOLE_SIZES: Final = (*(1 << power for power in range(16, 10, -1)), *range(1032, 0, -16))
_MOST_HOLES: Final = 100_000


class _MallInfo(ctypes.Structure):
    """glibc's `struct mallinfo2`: the last of its ten numbers is the size of the free end."""

    _fields_ = (("_others", ctypes.c_size_t * 9), ("free_end_bytes", ctypes.c_size_t))


def freeze() -> None:
    """Tidy up what will be shared from now on. Nothing that lives is to be thrown away later."""
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallinfo2"):  # glibc from 2.33 on
        _fill_holes(libc)


def _fill_holes(libc: ctypes.CDLL) -> None:
    libc.mallinfo2.restype = _MallInfo
    libc.sbrk.restype = libc.malloc.restype = ctypes.c_void_p
    libc.sbrk.argtypes = (ctypes.c_ssize_t,)
    libc.malloc.argtypes = (ctypes.c_size_t,)
    end = libc.sbrk(0) - libc.mallinfo2().free_end_bytes
    for size in _HOLE_SIZES:
        for _ in range(_MOST_HOLES):
            if libc.malloc(size) >= end:
                break
