"""Tile after tile the nearest are kept, as sorting everything at once would have it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.index import nearest_kept
from ruiji_server.index.nearest_kept import NearestKept
from ruiji_server.kernels.library import KERNELS
from ruiji_server.kernels.nearest import NO_NEIGHBOUR, Offers


@pytest.fixture(params=["compiled", "NumPy"])
def kernels(request, monkeypatch):
    assert KERNELS is not None
    if request.param == "NumPy":
        monkeypatch.setattr(nearest_kept, "KERNELS", None)


def a_tile(draw, items: int, before: int) -> Offers:
    others = draw(st.integers(0, 150))
    owners = np.array(sorted(draw(st.sets(st.integers(0, items - 1), min_size=1))))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    return Offers(
        # Coarse, so that many tie.
        cosines=(rng.integers(-20, 21, (len(owners), others)) / 20).astype(np.float32),
        owners=owners,
        first=rng.integers(0, others + 1, len(owners)),
        last=rng.integers(-1, others + 1, len(owners)),
        rows=(before + rng.permutation(others)).astype(np.uint32),
    )


@pytest.mark.usefixtures("kernels")
@given(data=st.data(), items=st.integers(1, 4), width=st.integers(1, 150), tiles=st.integers(1, 4))
def test_they_are_the_first_of_all_in_order(data, items, width, tiles):
    # Rows of the items are among those that are offered, since an item is on the shelf itself.
    kept = NearestKept(np.arange(items, dtype=np.uint32) * 37, width)
    offered: list[list[tuple[float, int]]] = [[] for _ in range(items)]
    before = 0
    for _ in range(tiles):
        tile = a_tile(data.draw, items, before)
        before += len(tile.rows)
        kept.offer(tile)
        for owner, cosines, first, last in zip(tile.owners, tile.cosines, tile.first, tile.last, strict=True):
            offered[owner] += [
                (-float(cosines[place]), int(tile.rows[place]))
                for place in range(first, last)
                if tile.rows[place] != kept.items[owner]
            ]
    for item, all_of_it in enumerate(offered):
        wanted = sorted(all_of_it)[:width]
        known = kept.rows[item] != NO_NEIGHBOUR
        assert kept.rows[item][known].tolist() == [row for _, row in wanted]
        assert kept.cosines[item][known].tolist() == [-cosine for cosine, _ in wanted]
        assert np.isneginf(kept.cosines[item][~known]).all()
        assert known[: len(wanted)].all()
        assert kept.is_full[item] == (len(all_of_it) >= width)


def test_an_item_that_is_none_is_refused():
    kept = NearestKept(np.arange(2, dtype=np.uint32), 3)
    for owner in (-1, 2):
        with pytest.raises(ValueError, match="none of the items"):
            kept.offer(tile_of(owners=np.array([owner])))


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (0, 6)])
def test_places_outside_the_tile_are_refused(first, last):
    kept = NearestKept(np.arange(2, dtype=np.uint32), 3)
    with pytest.raises(ValueError, match="outside the tile"):
        kept.offer(tile_of(first=np.array([first]), last=np.array([last])))


@pytest.mark.parametrize(
    "wrong",
    [{"cosines": np.zeros((2, 5), np.float32)}, {"rows": np.zeros(4, np.uint32)}, {"first": np.zeros(2, np.int64)}],
)
def test_shapes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=r"5|first places"):
        NearestKept(np.arange(2, dtype=np.uint32), 3).offer(tile_of(**wrong))


def tile_of(**changes: np.ndarray) -> Offers:
    fields = {
        "cosines": np.zeros((1, 5), np.float32),
        "owners": np.array([0]),
        "first": np.array([0]),
        "last": np.array([5]),
        "rows": np.arange(10, 15, dtype=np.uint32),
    }
    return Offers(**{**fields, **changes})
