"""The head of an .npy file whose rows are written one after the other."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np


def write_npy_header(file: BinaryIO, dtype: str, shape: tuple[int, int]) -> None:
    """Write what stands before the rows of a C-ordered array.

    Args:
        file: at its beginning.
        dtype: as NumPy writes it, such as "<f4".
        shape: rows and values in each.
    """
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]  # untyped in numpy
