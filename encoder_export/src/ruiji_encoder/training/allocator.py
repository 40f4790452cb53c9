"""What the C library does with memory that training gives back.

Every layer of every step asks for maps of tens of megabytes and gives them back. glibc gets each of them from the
kernel and returns it, so every step meets fresh pages, zeroed one by one: on a CPU a third of the time of a
convolutional tower.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_NEVER: Final = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have this process keep the memory it frees and use it again; it then stays as large as it once was.

    Returns:
        Whether the C library can be told so; only glibc can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
