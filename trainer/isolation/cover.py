"""Mapped memory that a process gives up before it runs anything foreign."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Literal

Withheld = Literal["nothing", "validation", "labels", "training", "everything"]
"""What a process is kept from.

Validation inputs; these and the labels of the training set; all of the training set; that and validation inputs.
"""

_MAP_FIXED = 0x10  # on Linux, whatever the processor; Python has no name for it


def cover(address: int, size: int) -> None:
    """Lays zeros over mapped memory; what was there is gone for this process, and stays with all others.

    Args:
        address: of the mapping's beginning.
        size: of what is mapped, in bytes; all of its last page goes with it.

    Raises:
        OSError: the system refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
    if libc.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0) != address:
        raise OSError(ctypes.get_errno(), f"mmap: {os.strerror(ctypes.get_errno())}")
