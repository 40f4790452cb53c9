"""What a page costs most, compiled: finding an item's row, adding changed items, ranking, writing the wire format.

`kernels.c` has the functions, `library.py` opens them, `columns.py` calls them over a generation's columns. All may
refuse; the callers then do the same in NumPy, which is also what tests compare them with.
"""
