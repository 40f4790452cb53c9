"""Pairs that must not be separated: equal titles, and pictures that are nearly the same photograph.

A picture's fingerprint is a difference hash (Krawetz, "Kind of Like That", 2013) of 16 x 16 brightness steps, beside a
thumbnail of 8 x 8 colours. Two pictures are nearly equal if few steps and little colour differ: the hash alone takes
every wallet on white for every other. Cut into bands, hashes that differ in fewer steps than there are bands agree on
one band in full, so only pictures that share a band are compared, and of these only such of similar brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ruiji_encoder.pairs.rules import normalise_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

HASH_SIDE = 16
"""Brightness steps along a side."""
COLOUR_SIDE = 8
"""Cells of the colour thumbnail along a side."""
HASH_BYTES = HASH_SIDE * HASH_SIDE // 8
FINGERPRINT_BYTES = HASH_BYTES + 3 * COLOUR_SIDE * COLOUR_SIDE

_BANDS = 8
_SMALLEST_STEP = 2
"""A rise in brightness below this, of 255, is noise of a flat ground and counts as none."""

_BITS_OF_BYTE = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Nearness:
    """When two pictures count as nearly equal."""

    steps: int = 12
    """Brightness steps of 256 that may differ. Up to 7 are found for sure; of pairs with 12, the bands miss about one
    in six."""
    colour: float = 3.0
    """Root mean square of the thumbnails' difference, of 255. Of real photographs shrunk to 60 x 80 and compressed
    hard, 99 in 100 stay below 2.8."""


def fingerprint(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture's difference hash and colour thumbnail.

    Args:
        pixels: RGB, shape (height, width, 3), uint8.

    Returns:
        Shape (224,), uint8: 32 bytes of hash, 192 of colours.
    """
    picture = Image.fromarray(pixels)
    grey = np.asarray(picture.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX), dtype=np.int16)
    rises = np.packbits(np.diff(grey, axis=1) > _SMALLEST_STEP)
    colours = np.asarray(picture.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX)).reshape(-1)
    return np.concatenate([rises, colours])


class Groups:
    """Rows that belong together: a union-find over 0 to n - 1, whose root is always the smallest row."""

    def __init__(self, rows: int) -> None:
        self._parent = list(range(rows))

    def find(self, row: int) -> int:
        """Return the smallest row of a row's group."""
        root = row
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[row] != root:
            self._parent[row], row = root, self._parent[row]
        return root

    def join(self, first: int, second: int) -> None:
        """Make one group of two."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def roots(self) -> NDArray[np.int64]:
        """Return the smallest row of each row's group, shape (n,), int64."""
        return np.array([self.find(row) for row in range(len(self._parent))], dtype=np.int64)


def join_equal_titles(groups: Groups, titles: Iterable[Sequence[str]]) -> None:
    """Join rows that share a title in any language, letter case and width apart."""
    first_with: dict[str, int] = {}
    for row, texts in enumerate(titles):
        for text in map(normalise_title, texts):
            groups.join(row, first_with.setdefault(text, row))


def join_near_pictures(groups: Groups, fingerprints: NDArray[np.uint8], nearness: Nearness) -> int:
    """Join rows whose pictures are nearly equal.

    Args:
        groups: over the rows of `fingerprints`.
        fingerprints: shape (n, 224), uint8, see `fingerprint`.
        nearness: see there.

    Returns:
        The number of pairs of pictures found nearly equal, of which a group of k has up to k (k - 1) / 2. Copies that
        are equal to the byte of their fingerprints count as one.
    """
    unique, first, inverse = np.unique(fingerprints, axis=0, return_index=True, return_inverse=True)
    for row, which in enumerate(inverse.tolist()):
        groups.join(row, int(first[which]))
    hashes, colours = unique[:, :HASH_BYTES], unique[:, HASH_BYTES:].astype(np.float32)
    brightness = colours.mean(axis=1)
    # Neighbouring steps are alike, and whole rows of a white ground are empty: scattered, every band says something.
    steps = np.unpackbits(hashes, axis=1)[:, np.random.default_rng(0).permutation(8 * HASH_BYTES)]
    bands = np.ascontiguousarray(np.packbits(steps, axis=1)).view(f"u{HASH_BYTES // _BANDS}")
    found: set[tuple[int, int]] = set()
    for band in bands.T:
        order = np.lexsort((brightness, band))
        for bucket in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            if len(bucket) > 1:
                found.update(_near(bucket, hashes, colours, brightness, nearness))
    for one, other in found:
        groups.join(int(first[one]), int(first[other]))
    return len(found)


def _near(
    bucket: NDArray[np.int64],
    hashes: NDArray[np.uint8],
    colours: NDArray[np.float32],
    brightness: NDArray[np.float32],
    nearness: Nearness,
) -> Iterable[tuple[int, int]]:
    # A mean differs by no more than the root mean square does, so what is further away in brightness is no candidate.
    beyond = np.searchsorted(brightness[bucket], brightness[bucket] + nearness.colour, side="right")
    for place, end in enumerate(beyond.tolist()):
        one, others = bucket[place], bucket[place + 1 : end]
        if len(others) == 0:
            continue
        apart = np.sqrt(np.square(colours[others] - colours[one]).mean(axis=1))
        alike = others[apart <= nearness.colour]
        differing = _BITS_OF_BYTE[hashes[alike] ^ hashes[one]].sum(axis=1, dtype=np.int64)
        for other in alike[differing <= nearness.steps].tolist():
            yield (int(one), other) if one < other else (other, int(one))
