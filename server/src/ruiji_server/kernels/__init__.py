"""What a page costs most, compiled: finding an item's row, comparing items, ranking, writing the wire format.

`kernels.h` declares the functions, the files in C have them, `library.py` opens them; `columns.py`, `comparing.py` and
`nearest.py` call them. All may refuse; the callers then do the same in NumPy, which is also what tests compare them
with. `answering.py` calls most of them at once, from the bytes of a request to those of its answer.
"""
