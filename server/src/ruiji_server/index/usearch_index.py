"""The approximate index: usearch's HNSW over int8 vectors with inner product. Keys are row numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index, Matches

from ruiji_server.index.quantisation import Int8Scale

_ADD_AT_ONCE = 4_000
"""Between two reports of progress; enough that threads seldom wait for each other's end."""
_WARMING_K = 100


@dataclass(frozen=True, slots=True)
class HnswSettings:
    """How the graph is built."""

    connectivity: int = 16
    """Edges per node and level (M). More finds more and takes 8 to 10 bytes an edge."""
    expansion_add: int = 128
    """Candidates looked at while adding (ef_construction)."""
    threads: int = 0
    """That add; 0 for as many as there are cores."""


@dataclass(frozen=True, slots=True)
class _Unopened:
    """A file that is opened with the first search."""

    path: Path
    items: int
    expansion_search: int


class UsearchIndex:
    """Approximate neighbours of unit vectors by cosine.

    An instance answers one search at a time: usearch queues calls on one object behind a lock.
    """

    def __init__(self, index: Index, scale: Int8Scale) -> None:
        self._index = index
        self._scale = scale
        self._unopened: _Unopened | None = None
        self._opening = Lock()

    @classmethod
    def build(
        cls,
        embeddings: NDArray[np.float32],
        scale: Int8Scale,
        settings: HnswSettings,
        *,
        seed: int,
        progress: Callable[[int], None],
    ) -> UsearchIndex:
        """Build the graph of all rows.

        Rows are added in random order, since they come sorted by id and neighbours in time make a poor graph, and by
        all cores. Threads that add at the same time leave a few more items that no search finds than one thread does
        (docs/adr/0007-parallel-build.md), so whoever builds has to sweep for those and to repair them.

        Args:
            embeddings: shape (items, dimensions), float32, unit length.
            scale: how they become int8.
            settings: how the graph is built.
            seed: of the order; with several threads the graph still differs a little from build to build.
            progress: told how many rows were added since the last call.
        """
        index = Index(
            ndim=embeddings.shape[1],
            metric="ip",
            dtype="i8",
            connectivity=settings.connectivity,
            expansion_add=settings.expansion_add,
        )
        order = np.random.default_rng(seed).permutation(len(embeddings))
        for start in range(0, len(order), _ADD_AT_ONCE):
            rows = order[start : start + _ADD_AT_ONCE]
            index.add(rows.astype(np.uint64), scale.quantise(embeddings[rows]), threads=settings.threads)
            progress(len(rows))
        return cls(index, scale)

    @classmethod
    def view(cls, path: Path, scale: Int8Scale, *, expansion_search: int, at_once: bool = True) -> UsearchIndex:
        """Open a saved index without reading it into memory; processes that view one file share its pages.

        The file must be whole: usearch does not notice flipped bits, so check its checksum first.

        Args:
            path: of the file.
            scale: that the index was built with.
            expansion_search: candidates that a search looks at, at least (ef).
            at_once: whether to open it now or with the first search. Open, it takes 16 bytes an item of each process,
                and opening takes 50 ms a million items.
        """
        metadata = Index.metadata(str(path))
        if metadata is None:
            raise OSError(f"{path} is no usearch index")
        # Nobody asks a view for a key, and the table for it takes 150 bytes an item of each process.
        index = Index(ndim=metadata["dimensions"], metric="ip", dtype="i8", enable_key_lookups=False)
        found = cls(index, scale)
        found._unopened = _Unopened(path, metadata["count_present"], expansion_search)
        if at_once:
            found._open()
        return found

    def __len__(self) -> int:
        unopened = self._unopened
        return len(self._index) if unopened is None else unopened.items

    @property
    def is_open(self) -> bool:
        """Whether it takes memory of this process: False for a viewed file that nobody has searched."""
        return self._unopened is None

    def open(self, query: NDArray[np.float32]) -> None:
        """Open it now, in some other thread than the one that will search, and search once: the first is the slowest.

        Args:
            query: any, shape (dimensions,), float32, unit length.
        """
        self.search(query, _WARMING_K)

    def _open(self) -> Index:
        if self._unopened is None:
            return self._index
        # Opened a second time, the file would be taken from under another thread's search.
        with self._opening:
            unopened = self._unopened
            if unopened is not None:
                self._index.view(str(unopened.path))
                self._index.expansion_search = unopened.expansion_search  # type: ignore[misc]
                self._unopened = None
        return self._index

    @property
    def expansion_search(self) -> int:
        """Candidates that a search looks at, at least (ef)."""
        return int(self._open().expansion_search)

    @expansion_search.setter
    def expansion_search(self, value: int) -> None:
        # The setter stands apart from the getter in usearch's source, so mypy takes the property for read-only.
        self._open().expansion_search = value  # type: ignore[misc]

    def search(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return about the `k` nearest rows, nearest first by int8 distance; releases the GIL.

        Args:
            query: shape (dimensions,), float32, unit length.
            k: how many; fewer come back if there are fewer items.
        """
        matches = self._open().search(self._scale.quantise(query), k, threads=1)
        return matches.keys.astype(np.int64)

    def search_many(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return about the `k` nearest rows for each query, using all cores; for building, not for serving.

        Args:
            queries: shape (n, dimensions), float32, unit length; n at least 1.
            k: how many; at most the number of items.

        Returns:
            Row numbers, shape (n, k), int64; -1 where fewer were found.
        """
        matches = self._open().search(np.atleast_2d(self._scale.quantise(queries)), k, threads=0)
        if isinstance(matches, Matches):  # what usearch returns for a single query, whatever its shape
            return _padded(matches.keys[None, :], np.array([len(matches)]), k)
        return _padded(matches.keys, matches.counts.astype(np.int64), k)

    def replace(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take rows out of the graph and add them again, one after the other, which gives them new edges.

        In one call: each call of usearch's `add` takes time that grows with the whole index, 4 ms at 200,000 items.

        Args:
            rows: shape (n,); each once.
            vectors: theirs, shape (n, dimensions), float32, unit length.
        """
        self._index.remove(rows)
        self._index.add(rows, self._scale.quantise(vectors), threads=1)

    def save(self, path: Path) -> None:
        """Write the index to a new file. Nobody may view the file yet: saving over a viewed one kills its viewers."""
        self._index.save(str(path))


def _padded(keys: NDArray[np.uint64], counts: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.full((len(keys), k), -1, dtype=np.int64)
    rows[:, : keys.shape[1]] = keys
    rows[np.arange(k) >= counts[:, None]] = -1
    return rows
