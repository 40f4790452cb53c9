"""Opens the compiled kernels, where the package was built with them.

They do what NumPy does elsewhere in this package. `hatch_build.py` compiles them and writes `bindings.py`;
`kernels.h` declares them.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

_LOG = logging.getLogger(__name__)
_LIBRARY: Final = Path(__file__).with_name("libruiji.so")

ABSENT: Final = -1
"""`ruiji_find_row`: no item has this id."""
REFUSED: Final = -2
"""What was asked is left to Python, or the columns are damaged, of which NumPy says more."""
UNPLANNED: Final = -3
"""`ruiji_answer`: nobody said yet how requests with these settings are answered."""
UNCOMPARED: Final = -4
"""`ruiji_answer`: it is not known yet how similar the item's category is to the others."""
UNSEEDED: Final = -5
"""`ruiji_answer`: no random bytes are left."""


class Kernels(NamedTuple):
    """The opened library."""

    ffi: Any
    """cffi's, with the types of `kernels.h`."""
    library: Any
    """Has the functions as attributes."""


def _opened() -> Kernels | None:
    """Return the library, or None where the package was built without a compiler."""
    if not _LIBRARY.exists() or sys.byteorder != "little":
        _LOG.warning(
            "no compiled kernels: NumPy ranks and writes pages, which takes longer; install Ruiji again where there is "
            "a C compiler"
        )
        return None
    ffi = importlib.import_module("ruiji_server.kernels.bindings").ffi
    return Kernels(ffi, ffi.dlopen(str(_LIBRARY)))


KERNELS: Final = _opened()
