"""Recall is measured against brute force, in bands that keep what they should, through the search that serves."""

from __future__ import annotations

import numpy as np
import pytest
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.generations.quality import BandRecall, Quality, QualityFloors, shortfalls
from ruiji_server.generations.recall import BAND_SHARES, draw_probes, found_share, measure_recall
from ruiji_server.generations.verification import verify_generation

from tests.support.catalogues import SilentBuild


@pytest.fixture(scope="module")
def probes(generation):
    return draw_probes(generation.columns, sample=60, candidates=100, seed=3)


def test_there_is_a_set_without_a_band_and_one_for_each_share(probes):
    assert [each.kept_share for each in probes] == [None, *BAND_SHARES]
    assert all(len(each.probes) > 40 for each in probes)


def test_what_a_probe_should_find_is_what_brute_force_finds(filled_store, generation, probes):
    items = filled_store.items
    for probe_set in probes:
        for probe in probe_set.probes:
            band, currency = probe.query.band, probe.query.eligible_currency
            eligible = [
                row
                for row, item in enumerate(items)
                if item.state == ItemState.ON_SALE
                and row != probe.query.row
                and (currency is None or item.price.currency == currency)
                and (band is None or band.low_minor <= item.price.amount_minor <= band.high_minor)
            ]
            cosines = np.sort(filled_store.vectors[eligible] @ probe.query.vector)[::-1][:20]
            np.testing.assert_allclose(probe.nearest, cosines, atol=1e-6)


def test_bands_keep_about_the_share_that_they_should(generation, probes):
    on_sale = len(generation.columns.rows_on_sale(None, 0, 0))
    for probe_set in probes[1:]:
        assert probe_set.measured_share == pytest.approx(probe_set.kept_share, rel=0.05, abs=2 / on_sale)


def test_a_share_that_no_currency_has_is_left_out(database, tmp_path):
    from dataclasses import replace as changed

    from ruiji_server.domain.items import Price
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.generation import open_generation
    from ruiji_server.store.catalogue import CatalogueStore

    from tests.support.catalogues import FilledStore, build, catalogue_items, clustered_vectors, embed_all

    currencies = ("JPY", "USD", "EUR", "GBP")
    items = [
        changed(item, price=Price(item.price.amount_minor, currencies[number % 4]))
        for number, item in enumerate(catalogue_items(80))
    ]
    CatalogueStore(database).upsert("1", "", items)
    vectors = clustered_vectors(80)
    embed_all(database, dict(zip((item.item_id for item in items), vectors, strict=True)))
    directory, manifest = build(FilledStore("", database, items, vectors), tmp_path / "generations")
    assert isinstance(directory, GenerationDirectory)
    assert 0.5 not in [band.kept_share for band in manifest.quality.bands]
    assert 0.1 in [band.kept_share for band in manifest.quality.bands]
    open_generation(directory.folder(manifest.generation_id))


def test_a_search_that_finds_little_has_little_recall(generation, probes):
    class Poor:
        """Finds rows at random."""

        def search(self, query, k):
            return np.random.default_rng(0).permutation(3_000)[:k]

    plain, *banded = probes
    report = measure_recall(generation.columns, Poor(), [plain, *banded])
    assert report.recall_at_20 < 0.5
    assert report.worst <= report.recall_at_20
    # Narrow bands are scanned exactly and need no index.
    assert report.bands[-1].recall_at_20 == 1.0


def test_one_of_two_equal_pictures_is_as_good_as_the_other():
    nearest = np.array([1.0, 0.9, 0.9], dtype=np.float32)
    assert found_share(np.array([1.0, 0.9, 0.9 - 1e-7, 0.2], dtype=np.float32), nearest) == 1.0
    assert found_share(np.array([1.0, 0.9, 0.8], dtype=np.float32), nearest) == pytest.approx(2 / 3)
    assert found_share(np.empty(0, dtype=np.float32), nearest) == 0.0


def test_each_shortfall_is_named():
    quality = Quality(0.8, 10, (BandRecall(0.01, 0.01, 0.7, 10), BandRecall(0.001, 0.001, 1.0, 10)), 0.9, 0)
    said = shortfalls(quality, QualityFloors(0.85, 0.85, 0.995))
    assert len(said) == 3
    assert "keep 1.0% of the catalogue is 0.700" in said[1]
    assert shortfalls(quality, QualityFloors(0.8, 0.7, 0.9)) == []


def test_verification_measures_what_the_builder_measured_on_other_items(generations):
    found = verify_generation(generations, generations.require(), BuildSettings(recall_sample=80), SilentBuild())
    assert found.shortfalls == ()
    assert found.measured.recall_at_20 == pytest.approx(found.manifest.quality.recall_at_20, abs=0.05)
    assert [band.kept_share for band in found.measured.bands] == list(BAND_SHARES)
    assert found.measured.reachable_share == 1.0
