"""Many items and vectors at once."""

from __future__ import annotations

import numpy as np
from ruiji_server.domain.items import PictureContent
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.lookups import listings, vectors_of

from tests.support.catalogues import ENCODER_ID, an_item, embed_all, png


def test_more_items_than_one_statement_takes_are_found_by_id(filled_store):
    ids = [item.item_id for item in filled_store.items[:1_200]]
    found = listings(filled_store.database, [*ids, "nowhere"])
    assert set(found) == set(ids)
    one = filled_store.items[7]
    listed = found[one.item_id]
    assert (listed.title, listed.price, listed.category_path, listed.state) == (
        one.title,
        one.price,
        one.category_path,
        one.state,
    )
    vectors = vectors_of(filled_store.database, ENCODER_ID, ids)
    assert np.array_equal(np.stack([vectors[item_id] for item_id in ids]), filled_store.vectors[:1_200])


def test_an_embedding_of_a_picture_that_was_replaced_is_none(database):
    store = CatalogueStore(database)
    store.upsert("1", "", [an_item("a"), an_item("b")])
    embed_all(database, {"a": np.eye(128, dtype=np.float32)[0], "b": np.eye(128, dtype=np.float32)[1]})
    store.upsert("2", "", [an_item("a", picture=PictureContent(png((1, 2, 3))))])
    assert set(vectors_of(database, ENCODER_ID, ["a", "b", "c"])) == {"b"}
    assert vectors_of(database, "enc-unknown", ["b"]) == {}
