"""The neighbour table holds what an exact search of the price band finds."""

import numpy as np
import pytest
from ruiji_server.columns.neighbours import NO_NEIGHBOUR, NeighbourTable
from ruiji_server.generations import shelf_in_cells, shelves
from ruiji_server.generations.neighbours import NeighbourTableSettings, write_neighbours
from ruiji_server.index.exact import nearest_among
from ruiji_server.ranking.price_band import PriceBand


def eligible_rows(columns, row: int, ratio: float):
    band = PriceBand.around(int(columns.prices_minor[row]), ratio)
    currency = columns.currencies[columns.currency_numbers[row]]
    rows = columns.rows_on_sale(currency, band.low_minor, band.high_minor).astype(np.int64)
    return rows[rows != row]


@pytest.mark.parametrize(("ratio", "width"), [(2.0, 128), (1.1, 40), (1.0, 8)])
def test_each_item_has_its_nearest_others_in_its_band(generation, tmp_path, monkeypatch, ratio, width):
    # Small tiles, so that bands reach over several.
    monkeypatch.setattr(shelves, "_TILE_ITEMS", 256)
    columns, done = generation.columns, []
    settings = NeighbourTableSettings(width=width, max_price_ratio=ratio)

    assert write_neighbours(tmp_path, columns, settings, done.append) == 1.0

    table = NeighbourTable.open(tmp_path, ratio)
    assert sum(done) == len(columns)
    for row in range(0, len(columns), 7):
        rows = eligible_rows(columns, row, ratio)
        wanted, cosines = nearest_among(columns.embeddings, rows, columns.embeddings[row], width)
        found, cosines_found, complete = table.of(row)
        assert complete == (len(rows) < width)
        assert len(found) == len(wanted)
        np.testing.assert_allclose(cosines_found, cosines, atol=1e-6)
        assert len(set(found.tolist())) == len(found)
        assert set(found.tolist()) <= set(rows.tolist())
        np.testing.assert_allclose(columns.embeddings[found] @ columns.embeddings[row], cosines, atol=1e-6)


@pytest.mark.parametrize("cells", [1, 2, 8])
def test_a_large_catalogue_is_compared_with_the_cells_around_each_item(generation, tmp_path, monkeypatch, cells):
    monkeypatch.setattr(shelf_in_cells, "_CELL_ITEMS", 200)
    columns, done = generation.columns, []
    settings = NeighbourTableSettings(width=5, exact_up_to=1_000, cells_ladder=(cells,), recall_sample=3_000)

    recall = write_neighbours(tmp_path, columns, settings, done.append)

    assert sum(done) == len(columns)
    table = NeighbourTable.open(tmp_path, 2.0)
    shares = []
    for row in range(len(columns)):
        rows = eligible_rows(columns, row, 2.0)
        wanted, _ = nearest_among(columns.embeddings, rows, columns.embeddings[row], 5)
        found, cosines, complete = table.of(row)
        assert complete == (len(rows) < 5)
        assert len(found) == len(wanted) == len(set(found.tolist()))
        assert set(found.tolist()) <= set(rows.tolist())
        np.testing.assert_allclose(columns.embeddings[found] @ columns.embeddings[row], cosines, atol=1e-6)
        assert (np.diff(cosines) <= 1e-6).all()
        shares.append(len(set(found.tolist()) & set(wanted.tolist())) / max(len(wanted), 1))
    # All items are the sample, so what was measured is what is so.
    assert recall == pytest.approx(np.mean(shares), abs=1e-9)
    assert {1: 0.5, 2: 0.7, 8: 0.9}[cells] < recall < 1.0


def test_as_many_cells_are_taken_as_find_enough(generation, tmp_path, monkeypatch):
    monkeypatch.setattr(shelf_in_cells, "_CELL_ITEMS", 200)

    def recall(target: float) -> float:
        settings = NeighbourTableSettings(
            width=5, exact_up_to=0, recall_target=target, cells_ladder=(1, 2, 4, 8, 10_000)
        )
        return write_neighbours(tmp_path, generation.columns, settings, lambda _items: None)

    lax, strict, exact = recall(0.7), recall(0.95), recall(1.0)
    assert 0.7 <= lax < strict
    assert 0.95 <= strict < exact == 1.0


def test_an_item_whose_price_is_rare_around_it_is_compared_with_all(generation, tmp_path, monkeypatch):
    monkeypatch.setattr(shelf_in_cells, "_CELL_ITEMS", 80)
    columns = generation.columns
    # So wide that one cell has fewer than is enough of any band.
    settings = NeighbourTableSettings(width=100, exact_up_to=0, cells_ladder=(1,))

    assert write_neighbours(tmp_path, columns, settings, lambda _items: None) == 1.0

    table = NeighbourTable.open(tmp_path, 2.0)
    for row in range(0, len(columns), 7):
        wanted, _ = nearest_among(columns.embeddings, eligible_rows(columns, row, 2.0), columns.embeddings[row], 100)
        assert set(table.of(row)[0].tolist()) == set(wanted.tolist())


def test_sold_items_have_neighbours_and_are_none(generation, tmp_path):
    columns = generation.columns
    write_neighbours(tmp_path, columns, NeighbourTableSettings(), lambda _items: None)
    table = NeighbourTable.open(tmp_path, 2.0)
    sold = np.flatnonzero(columns.states != 1)

    assert all(len(table.of(row)[0]) for row in sold.tolist())
    assert not np.isin(table.rows, sold).any()


def test_rows_after_the_last_neighbour_are_marked(generation, tmp_path):
    columns = generation.columns
    write_neighbours(tmp_path, columns, NeighbourTableSettings(width=3_000), lambda _items: None)
    table = NeighbourTable.open(tmp_path, 2.0)

    for row in (0, 1_500, 2_999):
        neighbours_of_row, cosines, complete = table.of(row)
        assert complete
        assert len(neighbours_of_row) == len(cosines) == len(eligible_rows(columns, row, 2.0))
        assert (table.rows[row, len(neighbours_of_row) :] == NO_NEIGHBOUR).all()
        assert (table.cosines[row, len(neighbours_of_row) :] == 0).all()


def test_a_table_of_before_cosines_were_kept_is_read(generation, tmp_path):
    columns = generation.columns
    write_neighbours(tmp_path, columns, NeighbourTableSettings(), lambda _items: None)
    with_cosines = NeighbourTable.open(tmp_path, 2.0)
    (tmp_path / "neighbour_cosines.npy").unlink()
    table = NeighbourTable.open(tmp_path, 2.0)

    rows, cosines, complete = table.of(7)
    assert cosines is None
    wanted, _, wanted_complete = with_cosines.of(7)
    assert (rows == wanted).all()
    assert complete == wanted_complete


def test_another_file_in_its_place_is_refused(tmp_path):
    np.save(tmp_path / "neighbours.npy", np.zeros(3))

    with pytest.raises(ValueError, match=r"neighbours\.npy holds float64"):
        NeighbourTable.open(tmp_path, 2.0)


def test_cosines_of_another_table_are_refused(tmp_path):
    np.save(tmp_path / "neighbours.npy", np.zeros((4, 3), dtype=np.uint32))
    np.save(tmp_path / "neighbour_cosines.npy", np.zeros((4, 2), dtype=np.float32))

    with pytest.raises(ValueError, match=r"neighbour_cosines\.npy holds float32 of shape \(4, 2\)"):
        NeighbourTable.open(tmp_path, 2.0)
