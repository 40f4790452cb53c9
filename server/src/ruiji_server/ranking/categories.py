"""How near two categories are in the tree."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

CategoryPath = tuple[str, ...]

_ABSENT = -1
_REMEMBERED_PATHS = 4_096


class LiveCategories:
    """The category tree of a catalogue to which categories are added."""

    def __init__(self, paths: Callable[[], Sequence[CategoryPath]]) -> None:
        """Take the catalogue's category paths by number, to which changes only add."""
        self._paths = paths
        self._tree = CategoryTree(paths())

    def tree(self) -> CategoryTree:
        """Return the tree of all categories that there are now."""
        paths = self._paths()
        if len(paths) != len(self._tree.paths):
            self._tree = CategoryTree(paths)
        return self._tree


class CategoryTree:
    """Similarity of any path to each category of a catalogue.

    similarity = 2 * length of the common prefix / (length of one path + length of the other), 1 for equal paths.
    """

    def __init__(self, paths: Sequence[CategoryPath]) -> None:
        """Index the catalogue's category paths; position in the sequence is the category's number."""
        self.paths = tuple(paths)
        self._node_of: dict[CategoryPath, int] = {}
        self._depths = np.array([len(path) for path in paths], dtype=np.float32)
        self._nodes = np.full((len(paths), max(map(len, paths), default=0)), _ABSENT, dtype=np.int32)
        for number, path in enumerate(paths):
            for depth in range(len(path)):
                prefix = path[: depth + 1]
                self._nodes[number, depth] = self._node_of.setdefault(prefix, len(self._node_of))
        self._remembered: OrderedDict[CategoryPath, NDArray[np.float32]] = OrderedDict()

    def similarities(self, path: CategoryPath) -> NDArray[np.float32]:
        """Return the similarity of a path to every category, shape (categories,), float32, 0 to 1.

        The path need not be one of the catalogue's. Recent answers are remembered.
        """
        known = self._remembered.get(path)
        if known is not None:
            self._remembered.move_to_end(path)
            return known
        common = np.zeros(len(self._depths), dtype=np.float32)
        for depth in range(min(len(path), self._nodes.shape[1])):
            # A node stands for its whole prefix, so equal nodes at one depth mean equal paths down to it.
            node = self._node_of.get(path[: depth + 1])
            if node is None:
                break
            common += self._nodes[:, depth] == node
        similarities = 2.0 * common / (len(path) + self._depths)
        self._remembered[path] = similarities
        if len(self._remembered) > _REMEMBERED_PATHS:
            self._remembered.popitem(last=False)
        return similarities
