"""Evaluation from attributes, end to end on a small catalogue, against a plain computation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruiji_evaluation.attributes import divide, evaluate_attributes
from ruiji_evaluation.catalogue import read_items
from ruiji_evaluation.encoders import EncoderSpec, PixelsSource
from ruiji_evaluation.errors import NothingToEvaluate, StudyError
from ruiji_evaluation.relevance import Level
from ruiji_evaluation.split import Split, share_of, test_side

from tests.support.tiny_encoder import tiny_embedding

test_side.__test__ = False  # pytest would take it for a test


@pytest.fixture(scope="module")
def found(shop):
    return evaluate_attributes(shop.study(), cache=shop.cache)


def test_what_cannot_be_seen_is_left_out_and_counted(found):
    assert found.left_out == {"there is no picture of the item": 1, "the picture cannot be read": 1}
    assert len(found.rankings.items) == 94


def test_figures_are_those_of_a_plain_computation(found, shop):
    from ruiji_encoding.pictures import decode_picture
    from sklearn.metrics import ndcg_score

    items, asking = found.rankings.items, found.rankings.queries
    pixels = np.stack([decode_picture((shop.folder / "images" / item.picture).read_bytes()) for item in items])
    vectors = tiny_embedding(pixels)
    gallery = [row for row in range(len(items)) if row not in set(asking.tolist())]
    for query, values in zip(asking.tolist(), found.rankings.values["tiny"], strict=True):
        cosines = vectors[gallery] @ vectors[query]
        one, others = items[query].attributes, [items[row].attributes for row in gallery]
        grades = [
            0 if other["kind"] != one["kind"] else 3 if other["colour"] == one["colour"] else 1 for other in others
        ]
        assert values[0] == pytest.approx(ndcg_score([grades], [cosines], k=5), abs=1e-6)
        assert values[1] == float(grades[int(np.argmax(cosines))] > 0)


def test_every_encoder_is_compared_with_the_baseline_on_the_same_queries(found):
    comparison = found.comparison
    assert list(comparison.figures) == ["pixels 4", "tiny", "tiny + PCA 4"]
    assert list(comparison.differences) == ["tiny", "tiny + PCA 4"]
    assert comparison.queries == len(found.rankings.queries) == len(found.rankings.values["tiny"])
    assert [facts.dimensions for facts in found.encoders] == [48, 128, 4]
    assert 0 < found.encoders[2].explained_variance < 1


def test_slices_cover_the_queries(found):
    by_slicing = {}
    for part in found.comparison.slices:
        by_slicing[part.slicing] = by_slicing.get(part.slicing, 0) + part.queries
    assert by_slicing == dict.fromkeys(("category", "price", "age, days"), found.comparison.queries)


def test_a_second_run_embeds_nothing_and_finds_the_same(found, shop, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("an encoder was asked again")

    monkeypatch.setattr("ruiji_evaluation.encoders.raw_pixels.RawPixels.features", refuse)
    monkeypatch.setattr("ruiji_evaluation.encoders.artefact.ArtefactEncoder.features", refuse)
    assert evaluate_attributes(shop.study(), cache=shop.cache).comparison == found.comparison


def test_queries_and_gallery_share_no_title():
    from ruiji_evaluation.catalogue import Item

    rng = np.random.default_rng(0)
    titles = [f"Title {number}" for number in rng.integers(0, 60, 400)]
    items = [Item(str(row), title, (), None, None, "", {}) for row, title in enumerate(titles)]
    asking, gallery = divide(items, Split(query_share=0.3, max_queries=50))
    assert len(asking) == 50
    assert not {titles[row] for row in asking} & {titles[row] for row in gallery}
    few, _ = divide(items, Split(query_share=0.3, max_queries=10))
    assert set(few.tolist()) < set(asking.tolist()), "a smaller sample is part of a larger one"


def test_titles_that_look_alike_are_on_one_side():
    assert share_of("Nike  ＡＩＲ", "s") == share_of("nike air", "s")
    assert share_of("nike air", "s") != share_of("nike air", "t")
    shares = [share_of(f"title {row}", "s") for row in range(2_000)]
    assert 0.27 < np.mean(np.array(shares) < 0.3) < 0.33


def test_the_test_side_of_training_can_be_taken(shop, tmp_path):
    items = read_items(shop.folder / "items.tsv", shop.study().columns).items
    (tmp_path / "ids.txt").write_text("toy-001\ntoy-004\n")
    sides = pa.table({"id": ["toy-001", "toy-002", "toy-004"], "side": ["test", "train", "test"]})
    pq.write_table(sides, tmp_path / "pairs.parquet")
    for name in ("ids.txt", "pairs.parquet"):
        chosen = test_side(items, Split(test_ids=tmp_path / name))
        assert [item.item_id for item in chosen] == ["toy-001", "toy-004"]
    with pytest.raises(StudyError, match="cannot be read"):
        test_side(items, Split(test_ids=tmp_path / "absent.txt"))


def test_an_empty_split_is_refused(shop):
    study = replace(shop.study(), split=Split(query_share=0.0))
    with pytest.raises(NothingToEvaluate, match="gives 0 queries"):
        evaluate_attributes(study, cache=shop.cache)


def test_a_gallery_without_anything_relevant_is_refused(shop):
    study = replace(shop.study(), relevance=(Level(1, ("id",)),))
    with pytest.raises(NothingToEvaluate, match="has anything relevant"):
        evaluate_attributes(study, cache=shop.cache)


def test_too_few_pictures_for_a_pca_are_refused(shop):
    study = replace(shop.study(), encoders=(EncoderSpec("pixels 4", PixelsSource(4), pca=40),))
    with pytest.raises(NothingToEvaluate, match="PCA to 40 dimensions cannot be fitted"):
        evaluate_attributes(study, cache=shop.cache)


def test_pictures_under_another_name_are_refused(shop):
    study = shop.study()
    with pytest.raises(NothingToEvaluate, match=r"check \[catalogue\] picture"):
        evaluate_attributes(replace(study, columns=replace(study.columns, picture="{id}.jpg")), cache=shop.cache)
