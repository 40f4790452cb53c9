"""Narrow bands: what is found through the neighbour table, against exact search over the band."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_server.columns import reader
from ruiji_server.columns.live import ItemChange, LiveColumns
from ruiji_server.columns.neighbours import NeighbourTable
from ruiji_server.columns.reader import Columns
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.neighbours import NeighbourTableSettings, write_neighbours
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.from_table import Reach, TableSearch
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.price_band import PriceBand
from ruiji_server.ranking.query import Query

from tests.support.columns import Column

WIDTH, TABLE_RATIO, POOL = 48, 2.0, 40
SCANS, MEETS = Reach(), Reach(scanned_at_most=0)


@pytest.fixture(scope="module")
def table(generation, tmp_path_factory) -> NeighbourTable:
    folder = tmp_path_factory.mktemp("table")
    settings = NeighbourTableSettings(width=WIDTH, max_price_ratio=TABLE_RATIO)
    write_neighbours(folder, generation.columns, settings, lambda _items: None)
    return NeighbourTable.open(folder, TABLE_RATIO)


def asked(live: LiveColumns, row: int, ratio: float, **changes) -> tuple[Query, str, PriceBand]:
    price = live.price(row)
    policy = RankingPolicy(max_price_ratio=ratio, candidates=POOL)
    query = Query(live.embedding(row), 10, policy, price, live.category_path(row), row=row, **changes)
    band = query.band
    assert band is not None
    return query, price.currency, band


def nearest_in_band(live: LiveColumns, query: Query, currency: str, band: PriceBand, excluded=()) -> list[int]:
    rows = live.base.rows_on_sale(currency, band.low_minor, band.high_minor).astype(np.int64)
    rows = rows[~live.hidden[rows] & ~np.isin(rows, [query.row, *excluded])]
    return nearest_among(live.base.embeddings, rows, query.vector, POOL)[0].tolist()


@pytest.mark.parametrize("ratio", [1.05, 1.2, 1.5])
def test_a_small_band_is_compared_as_a_whole(generation, table, ratio):
    live = LiveColumns(generation.columns)
    search = TableSearch(live, table, SCANS)
    scanned = 0
    for row in range(0, len(generation.columns), 10):
        query, currency, band = asked(live, row, ratio)
        found = search.nearest(query, POOL, currency, band)
        assert found is not None
        assert found.exact_scan != found.from_table
        assert found.rows.tolist() == nearest_in_band(live, query, currency, band)
        scanned += found.exact_scan
    assert scanned > 20


@pytest.mark.parametrize("kernels", ["compiled", "NumPy"])
@pytest.mark.parametrize(("ratio", "least"), [(1.2, 0.9), (1.5, 0.97), (1.8, 0.99)])
def test_in_a_larger_one_neighbours_of_neighbours_are_nearly_all_of_the_nearest(
    generation, table, ratio, least, kernels, monkeypatch
):
    columns = generation.columns
    if kernels == "NumPy":
        monkeypatch.setattr(reader, "KERNELS", None)
        columns = Columns(generation.folder)
    live = LiveColumns(columns)
    search, without = TableSearch(live, table, MEETS), TableSearch(live, table, Reach(0, 1, 1_000.0))
    shares = []
    for row in range(0, len(columns), 3):
        query, currency, band = asked(live, row, ratio)
        if without.nearest(query, POOL, currency, band) is not None:
            continue
        found = search.nearest(query, POOL, currency, band)
        if found is None:
            continue
        assert found.from_table
        assert not found.exact_scan
        assert (np.diff(found.cosines) <= 0).all()
        shares.append(np.isin(nearest_in_band(live, query, currency, band), found.rows).mean())
    assert len(shares) > 50
    assert np.mean(shares) >= least


def test_who_meets_too_few_is_left_to_the_graph(generation, table):
    live = LiveColumns(generation.columns)
    query, currency, band = asked(live, 5, 1.05)
    assert TableSearch(live, table, MEETS).nearest(query, POOL, currency, band) is None
    fewer = TableSearch(live, table, Reach(scanned_at_most=0, least=1.0)).nearest(query, POOL, currency, band)
    assert fewer is not None
    assert fewer.from_table


def test_what_changed_or_is_excluded_is_not_among_them_and_makes_room(generation, table):
    live = LiveColumns(generation.columns)
    search = TableSearch(live, table, MEETS)
    query, currency, band = asked(live, 8, 1.8)
    first = nearest_in_band(live, query, currency, band)
    gone, excluded = first[:4], first[4:12]
    live.apply(ItemChange(live.item_id(row), None) for row in gone)
    query.excluded_rows = np.array(sorted(excluded))
    found = search.nearest(query, POOL, currency, band)
    assert found is not None
    assert len(found.rows) == POOL
    assert np.isin(nearest_in_band(live, query, currency, band, excluded), found.rows).mean() >= 0.95
    assert not np.isin([*gone, *excluded], found.rows).any()
    assert found.drops.by_exclusion == len(excluded)


def changed(live: LiveColumns, row: int, **fields) -> int:
    """Put an item that differs in these fields in the place of one of the generation; return its row."""
    item_id, price = live.item_id(row), live.price(row)
    was = {
        "price_minor": price.amount_minor, "currency": price.currency, "category_path": live.category_path(row),
        "state": ItemState.ON_SALE, "vector": live.embedding(row),
    }  # fmt: skip
    live.apply([ItemChange(item_id, Column(item_id, **{**was, **fields}))])
    now = live.row_of(item_id)
    assert now is not None
    assert now >= len(live.base)
    return now


@pytest.mark.parametrize("fields", [{"state": ItemState.SOLD}, {"category_path": ("Never", "seen")}])
def test_an_item_that_was_sold_since_has_the_neighbours_that_it_had(generation, table, fields):
    live = LiveColumns(generation.columns)
    search = TableSearch(live, table, Reach(0, 1, 1_000.0))
    query, currency, band = asked(live, 8, TABLE_RATIO)
    before = search.nearest(query, POOL, currency, band)
    query, currency, band = asked(live, changed(live, 8, **fields), TABLE_RATIO)
    after = search.nearest(query, POOL, currency, band)
    assert after is not None
    assert after.rows.tolist() == before.rows.tolist()
    assert after.cosines.tolist() == before.cosines.tolist()


@pytest.mark.parametrize("factor", [0.72, 0.9, 1.1, 1.39])
def test_a_price_that_moved_a_little_finds_nearly_all_of_its_new_band(generation, table, factor):
    shares = []
    for row in range(0, len(generation.columns), 30):
        live = LiveColumns(generation.columns)
        search = TableSearch(live, table, MEETS)
        now = changed(live, row, price_minor=max(round(live.price(row).amount_minor * factor), 10))
        query, currency, band = asked(live, now, 1.8)
        found = search.nearest(query, POOL, currency, band)
        if found is not None:
            assert found.from_table
            shares.append(np.isin(nearest_in_band(live, query, currency, band), found.rows).mean())
    assert len(shares) > 50
    assert np.mean(shares) >= 0.96


def test_another_picture_currency_or_a_price_far_from_the_old_one_is_left_to_the_graph(generation, table):
    for fields in (
        {"vector": generation.columns.embeddings[9]},
        {"currency": "CHF"},
        {"price_minor": 2 * generation.columns.price(8)[0]},
        {"price_minor": generation.columns.price(8)[0] // 2},
    ):
        live = LiveColumns(generation.columns)
        query, currency, band = asked(live, changed(live, 8, **fields), TABLE_RATIO)
        assert TableSearch(live, table, SCANS).nearest(query, POOL, currency, band) is None


def test_numpy_meets_whom_the_kernel_meets(generation, table):
    live = LiveColumns(generation.columns)
    live.apply(ItemChange(live.item_id(row), None) for row in range(0, 3_000, 11))
    search = TableSearch(live, table, MEETS)
    for row, enough in ((5, 1), (70, 30), (301, 100), (999, 1_000), (2_000, 10_000)):
        _, currency, band = asked(live, row, 1.4)
        of_kernel = search._met(row, currency, band, enough)
        assert len(of_kernel) > 0
        assert of_kernel.tolist() == search._met_by_numpy(row, currency, band, enough).tolist()
