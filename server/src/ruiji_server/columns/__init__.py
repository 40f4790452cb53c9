"""What ranking needs of each item, as memory-mapped columns in row order.

Rows are sorted by the UTF-8 bytes of their item ids, so that comparing rows settles ties by item id. There is no
Python object per item: tens of millions cost what their bytes cost, and processes share the pages.
"""
