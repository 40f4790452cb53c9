"""A catalogue of any size whose embeddings are spread as those of real pictures are, without any picture.

Each leaf category is a centre, each style of a leaf a centre near it, each item a point near its style. The variance of
dimensions falls as that of principal components does, and then one rotation spreads it, as the encoder's projection
does. Prices are log-normal by leaf. The first n items are the same whatever the size, for the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ruiji_server.domain.items import ItemState
from ruiji_server.store.embedded_items import EmbeddedItem

DIMENSIONS = 128
CURRENCY = "JPY"

_BLOCK_ITEMS = 10_000
_LEAVES = 1_000
_STYLES_PER_LEAF = 25
_DECAY = 0.75
"""Standard deviation of the i-th component is i to the power of minus this."""
_STYLE_SPREAD = 0.8
_ITEM_SPREAD = 0.7
_SOLD_SHARE = 0.05


def item_id(number: int) -> str:
    """Return the id of the n-th item; ids sort as numbers do."""
    return f"item-{number:09d}"


def synthetic_items(count: int, seed: int = 0) -> Iterator[EmbeddedItem]:
    """Yield the first `count` items, in the order of their ids."""
    world = np.random.default_rng([seed, 0])
    scale = np.arange(1, DIMENSIONS + 1) ** -_DECAY
    rotation = np.linalg.qr(world.standard_normal((DIMENSIONS, DIMENSIONS)))[0].astype(np.float32)
    leaves = world.standard_normal((_LEAVES, DIMENSIONS)) * scale
    styles = leaves[:, None] + _STYLE_SPREAD * world.standard_normal((_LEAVES, _STYLES_PER_LEAF, DIMENSIONS)) * scale
    popularity = world.dirichlet(np.full(_LEAVES, 0.7))
    typical_price = world.uniform(np.log(800), np.log(30_000), _LEAVES)
    paths = [(f"root {leaf % 10}", f"branch {leaf % 100}", f"leaf {leaf}") for leaf in range(_LEAVES)]
    for number in range(0, count, _BLOCK_ITEMS):
        block = np.random.default_rng([seed, 1, number])
        leaf = block.choice(_LEAVES, size=_BLOCK_ITEMS, p=popularity)
        style = block.integers(0, _STYLES_PER_LEAF, _BLOCK_ITEMS)
        points = styles[leaf, style] + _ITEM_SPREAD * block.standard_normal((_BLOCK_ITEMS, DIMENSIONS)) * scale
        vectors = points.astype(np.float32) @ rotation
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        prices = np.exp(typical_price[leaf] + 0.6 * block.standard_normal(_BLOCK_ITEMS))
        # Two or three digits that count, as shops price.
        prices = np.maximum(np.round(prices, -2), 100).astype(np.int64)
        sold = block.random(_BLOCK_ITEMS) < _SOLD_SHARE
        for place in range(min(_BLOCK_ITEMS, count - number)):
            yield EmbeddedItem(
                item_id=item_id(number + place),
                price_minor=int(prices[place]),
                currency=CURRENCY,
                category_path=paths[leaf[place]],
                state=ItemState.SOLD if sold[place] else ItemState.ON_SALE,
                vector=vectors[place],
            )
