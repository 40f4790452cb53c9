from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration, GenerationError, NoGeneration
from ruiji_server.generations.generation import open_generation
from ruiji_server.generations.manifest import digest_line, parse_manifest, write_manifest
from ruiji_server.generations.reachability import _neighbours_together, repair_lost, unreachable_rows
from ruiji_server.index.usearch_index import HnswSettings, UsearchIndex
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import ENCODER_ID, FilledStore, SilentBuild, an_item, build, clustered_vectors, embed_all


def test_columns_hold_every_item_in_the_order_of_ids(filled_store, generation):
    columns = generation.columns
    assert [columns.item_id(row) for row in range(len(columns))] == [item.item_id for item in filled_store.items]
    for row, item in enumerate(filled_store.items):
        assert columns.row_of(item.item_id) == row
        assert columns.prices_minor[row] == item.price.amount_minor
        assert columns.currencies[columns.currency_numbers[row]] == item.price.currency
        assert columns.category_paths[columns.category_numbers[row]] == item.category_path
        assert columns.states[row] == item.state
    np.testing.assert_array_equal(columns.embeddings, filled_store.vectors)


def test_an_unknown_id_has_no_row(generation):
    assert generation.columns.row_of("nobody") is None
    assert generation.columns.row_of("") is None


@pytest.mark.parametrize(("currency", "low", "high"), [("JPY", 1_000, 5_000), ("USD", 0, 10**15), ("EUR", 0, 10**15)])
def test_rows_on_sale_are_those_of_a_plain_filter(filled_store, generation, currency, low, high):
    expected = {
        row
        for row, item in enumerate(filled_store.items)
        if item.state == ItemState.ON_SALE
        and item.price.currency == currency
        and low <= item.price.amount_minor <= high
    }
    assert set(generation.columns.rows_on_sale(currency, low, high).tolist()) == expected


def test_the_manifest_says_what_was_built(filled_store, generation):
    manifest = generation.manifest
    assert manifest.encoder_id == ENCODER_ID
    assert manifest.items == 3_000
    assert manifest.recommendable_items == sum(item.state == ItemState.ON_SALE for item in filled_store.items)
    assert manifest.feed_position == 6_000  # an upsert and an embedding each
    assert manifest.quality.recall_at_20 >= 0.95
    assert manifest.quality.reachable_share == 1.0
    assert manifest.quality.neighbours_recall == 1.0


def test_a_manifest_of_before_the_table_was_measured_is_read(generations):
    folder = generations.folder(generations.current_id())
    raw = json.loads((folder / "manifest.json").read_text())
    del raw["quality"]["neighbours_recall"]
    content = json.dumps(raw).encode()
    manifest = parse_manifest(content, digest_line(content), "here")
    assert manifest.quality.neighbours_recall is None
    assert manifest.items == 3_000


def test_a_missing_or_cut_file_is_noticed(generations, tmp_path):
    whole = generations.folder(generations.current_id())
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / "price_minor.npy").unlink()
    with pytest.raises(DamagedGeneration, match=r"price_minor\.npy cannot be read"):
        open_generation(copy)
    shutil.copy(whole / "price_minor.npy", copy)
    (copy / "manifest.json").write_text((copy / "manifest.json").read_text()[:100])
    with pytest.raises(DamagedGeneration, match="ruiji index build"):
        open_generation(copy)


def test_a_generation_of_another_format_says_so(generations, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(generations.folder(generations.current_id()), copy)
    text = (copy / "manifest.json").read_text().replace('"format_version": 2', '"format_version": 99')
    (copy / "manifest.json").write_text(text)
    (copy / "manifest.sha256").write_bytes(digest_line(text.encode()))
    with pytest.raises(GenerationError, match="format version 99; this release reads 2"):
        open_generation(copy)


def test_a_generation_of_the_first_format_which_had_no_checksum_of_its_manifest_says_so_too(generations, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(generations.folder(generations.current_id()), copy)
    (copy / "manifest.json").write_text('{"format_version": 1}')
    (copy / "manifest.sha256").unlink()
    with pytest.raises(GenerationError, match="format version 1; this release reads 2"):
        open_generation(copy)


def test_the_last_whole_generation_stands_in_for_a_damaged_one(filled_store, tmp_path):
    directory, first = build(filled_store, tmp_path)
    _, second = build(filled_store, directory.root)
    with (directory.folder(second.generation_id) / "index.usearch").open("r+b") as file:
        file.write(b"garbage")
    assert directory.open_current().manifest.generation_id == first.generation_id


def test_nothing_to_fall_back_on_is_an_error_that_names_the_file(filled_store, tmp_path):
    directory, manifest = build(filled_store, tmp_path)
    (directory.folder(manifest.generation_id) / "state.npy").write_bytes(b"")
    with pytest.raises(DamagedGeneration, match=r"state\.npy is damaged"):
        directory.open_current()


def test_before_the_first_build_there_is_nothing_to_serve(tmp_path):
    with pytest.raises(NoGeneration, match="ruiji index build"):
        GenerationDirectory(tmp_path).open_current()


def test_publishing_needs_a_generation(tmp_path):
    with pytest.raises(NoGeneration, match="gen-typo"):
        GenerationDirectory(tmp_path).publish("gen-typo")


def test_an_empty_catalogue_is_not_built(database, tmp_path):
    embed_all(database, {})
    root = tmp_path / "generations"
    with pytest.raises(GenerationError, match="ruiji worker"):
        build_generation(database, ENCODER_ID, GenerationDirectory(root), BuildSettings(), SilentBuild())
    assert [path for path in root.iterdir() if path.is_dir()] == []


def test_an_index_below_its_floor_is_not_published(filled_store, tmp_path):
    directory, good = build(filled_store, tmp_path)
    poor = BuildSettings(
        hnsw=HnswSettings(connectivity=2, expansion_add=2), expansion_ladder=(1,), candidates=20, recall_floor=0.99
    )
    with pytest.raises(GenerationError, match="below the floor"):
        build_generation(filled_store.database, ENCODER_ID, directory, poor, SilentBuild())
    assert directory.current_id() == good.generation_id
    assert directory.ids() == [good.generation_id]


def test_the_expansion_is_the_least_that_meets_the_target(filled_store, tmp_path):
    easy = BuildSettings(recall_target=0.0, recall_sample=50)
    _, manifest = build(filled_store, tmp_path / "easy", easy)
    assert manifest.expansion_search == easy.expansion_ladder[0]
    hard = BuildSettings(recall_target=1.1, recall_sample=50)
    _, manifest = build(filled_store, tmp_path / "hard", hard)
    assert manifest.expansion_search == hard.expansion_ladder[-1]


def test_rows_that_no_search_finds_are_noticed_and_repaired(generation):
    class Forgetful(UsearchIndex):
        """Loses row 5 until it is added anew."""

        lost = True

        def search_many(self, queries, k):
            found = super().search_many(queries, k)
            return np.where(found == 5, 6, found) if self.lost else found

        def replace(self, rows, vectors):
            assert rows.tolist() == [5]
            np.testing.assert_array_equal(vectors, embeddings[[5]])
            self.lost = False

    index = Forgetful(generation.index._open(), generation.index._scale)
    embeddings = generation.columns.embeddings
    assert unreachable_rows(index, embeddings, np.arange(20), 50, lambda _: None).tolist() == [5]
    assert repair_lost(index, embeddings, 50, SilentBuild()) == (1, 0)
    assert unreachable_rows(index, embeddings, np.arange(20), 50, lambda _: None).tolist() == []


def test_all_rows_are_looked_for_those_near_each_other_together():
    vectors = clustered_vectors(9_000, clusters=3)
    order = _neighbours_together(vectors)
    assert sorted(order.tolist()) == list(range(9_000))
    beside = np.sum(vectors[order[:-1]] * vectors[order[1:]], axis=1).mean()
    assert beside > 1.5 * np.sum(vectors[:-1] * vectors[1:], axis=1).mean()


def test_items_taken_out_and_added_anew_are_found(tmp_path):
    vectors = clustered_vectors(500)
    from ruiji_server.index.quantisation import Int8Scale

    index = UsearchIndex.build(vectors, Int8Scale.fit(vectors), HnswSettings(), seed=0, progress=lambda _: None)
    replaced = np.array([3, 7, 250, 499])
    index.replace(replaced, vectors[replaced])
    index.save(tmp_path / "index.usearch")
    viewed = UsearchIndex.view(tmp_path / "index.usearch", Int8Scale.fit(vectors), expansion_search=64)
    assert len(viewed) == 500
    for row in replaced.tolist():
        assert row in viewed.search(vectors[row], 5)


def test_where_a_table_answers_the_graph_is_opened_with_the_first_search(generation):
    opened = open_generation(generation.folder)
    assert opened.neighbours is not None
    assert not opened.index.is_open
    assert len(opened.index) == len(opened.columns)

    query = opened.columns.embeddings[3]
    found = opened.index.search(query, 5)

    assert opened.index.is_open
    assert len(opened.index) == len(opened.columns)
    at_once = open_generation(generation.folder, verify=False).index
    assert at_once.is_open
    assert at_once.expansion_search == opened.index.expansion_search == opened.manifest.expansion_search
    assert found.tolist() == at_once.search(query, 5).tolist()


def test_several_threads_may_make_the_first_search(generation):
    query = generation.columns.embeddings[3]
    expected = open_generation(generation.folder, verify=False).index.search(query, 5).tolist()
    for _ in range(20):
        index, together = open_generation(generation.folder).index, threading.Barrier(4)

        def search(index=index, together=together) -> list[int]:
            together.wait()
            return index.search(query, 5).tolist()

        with ThreadPoolExecutor(4) as pool:
            found = [future.result() for future in [pool.submit(search) for _ in range(4)]]
        assert found == [expected] * 4


def test_without_a_table_the_graph_is_opened_at_once(generation, tmp_path):
    folder = tmp_path / "without-table"
    shutil.copytree(generation.folder, folder)
    write_manifest(folder, replace(generation.manifest, neighbours_within_ratio=None))

    assert open_generation(folder).index.is_open


def test_hundreds_of_equal_pictures_are_no_lost_items(database, tmp_path):
    store = CatalogueStore(database)
    ids = [f"twin-{number:03d}" for number in range(400)]
    store.upsert("1", "", [an_item(item_id) for item_id in ids])
    one = clustered_vectors(1)[0]
    embed_all(database, dict.fromkeys(ids, one))
    settings = BuildSettings(recall_sample=20, recall_floor=0.0)
    manifest = build_generation(database, ENCODER_ID, GenerationDirectory(tmp_path / "g"), settings, SilentBuild())
    assert manifest.quality.reachable_share == 1.0


def test_a_catalogue_can_be_written_while_it_is_built(filled_store: FilledStore, tmp_path):
    database = filled_store.database
    started, stop = threading.Event(), threading.Event()

    def write() -> None:
        store = CatalogueStore(database)
        number = 0
        while not stop.is_set():
            store.upsert(f"beside-{number}", "", [an_item(f"zz-beside-{number % 3}", title=str(number))])
            started.set()
            number += 1
        store.delete([f"zz-beside-{n}" for n in range(3)])

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    try:
        _, manifest = build(filled_store, Path(tmp_path))
    finally:
        stop.set()
        writer.join()
    assert manifest.items == 3_000
