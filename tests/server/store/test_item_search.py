"""Whatever is looked for is found, each item once, however small the steps."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruiji_server.domain.items import ItemState, PictureUri
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import Database
from ruiji_server.store.item_search import ItemFilter, search_items

from tests.support.catalogues import an_item

LISTINGS = {
    "a-1": ("Navy canvas sneakers", ("Fashion", "Shoes")),
    "a-2": ("Red SNEAKERS 100% cotton", ("Fashion", "Shoes", "Sneakers")),
    "a_3": ("赤い靴 スニーカー", ("Fashion", "Shoes", "Sneakers")),
    "b-1": ("Desk lamp", ("Home", "Lamps")),
    "b-2": ("Lamp, 'navy'", ("Fashion & Home", "Lamps")),
    "é-1": ("Lamp of the café", ("Fashion",)),
    "\ud7ff1": ("At the edge", ("Fashion\", \"Shoes",)),
    "\ue0001": ("Beyond the edge", ("fashion", "shoes")),
    "\U0010ffff1": ("At the end", ("Home",)),
}  # fmt: skip


@pytest.fixture
def database(database: Database) -> Database:
    batch = [an_item(item_id, title=title, category_path=path) for item_id, (title, path) in LISTINGS.items()]
    CatalogueStore(database).upsert("1", "", batch)
    return database


def found(database: Database, wanted: ItemFilter, *, limit: int = 100, examined: int = 1_000) -> list[str]:
    """Search to the end."""
    ids, after = [], ""
    while True:
        page = search_items(database, wanted, after=after, limit=limit, examined=examined)
        assert len(page.items) <= limit
        ids += [item.item.item_id for item in page.items]
        if page.go_on_after is None:
            return ids
        assert page.go_on_after > after
        after = page.go_on_after


def test_a_word_may_stand_anywhere_in_the_title_in_either_case(database):
    assert found(database, ItemFilter(words=["sneakers"])) == ["a-1", "a-2"]
    assert found(database, ItemFilter(words=["NAVY"])) == ["a-1", "b-2"]
    assert found(database, ItemFilter(words=["スニーカー"])) == ["a_3"]


def test_all_words_must_be_there(database):
    assert found(database, ItemFilter(words=["navy", "lamp"])) == ["b-2"]


@pytest.mark.parametrize(("word", "ids"), [("%", ["a-2"]), ("_", []), ("'", ["b-2"]), ("\\", [])])
def test_characters_that_mean_something_to_a_database_mean_themselves(database, word, ids):
    assert found(database, ItemFilter(words=[word])) == ids


def test_a_category_is_matched_in_whole_names_and_with_case(database):
    assert found(database, ItemFilter(category_prefix=["Fashion"])) == ["a-1", "a-2", "a_3", "é-1"]
    assert found(database, ItemFilter(category_prefix=["Fashion", "Shoes"])) == ["a-1", "a-2", "a_3"]
    assert found(database, ItemFilter(category_prefix=["Fash"])) == []


def test_an_id_is_matched_from_its_beginning(database):
    assert found(database, ItemFilter(item_id_prefix="a-")) == ["a-1", "a-2"]
    assert found(database, ItemFilter(item_id_prefix="é")) == ["é-1"]
    assert found(database, ItemFilter(item_id_prefix="\ud7ff")) == ["\ud7ff1"]
    assert found(database, ItemFilter(item_id_prefix="\U0010ffff")) == ["\U0010ffff1"]


def test_without_a_filter_the_whole_catalogue_comes_in_the_order_of_utf8(database):
    assert found(database, ItemFilter(), limit=2) == sorted(LISTINGS, key=str.encode)


def test_a_search_that_has_looked_at_enough_stops_and_says_where_to_go_on(database):
    page = search_items(database, ItemFilter(words=["lamp"]), limit=10, examined=3)
    assert page.items == ()
    assert page.go_on_after == "a_3"


def test_an_item_comes_with_what_a_list_shows(database):
    elsewhere = an_item("z", title="Far", state=ItemState.SOLD, picture=PictureUri("https://example.com/z.jpg"))
    CatalogueStore(database).upsert("2", "", [elsewhere])
    [hit] = search_items(database, ItemFilter(item_id_prefix="z"), limit=1).items
    assert hit.item == elsewhere
    assert hit.picture_sha256 == elsewhere.picture.digest()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    words=st.lists(st.sampled_from(["na", "LAMP", "e", " ", "靴", "%", "nobody"]), max_size=2),
    prefix=st.sampled_from([(), ("Fashion",), ("Home",), ("Fashion", "Shoes")]),
    id_prefix=st.sampled_from(["", "a", "a-", "b"]),
    limit=st.integers(1, 4),
    examined=st.integers(1, 10),
)
def test_steps_of_any_size_find_what_one_look_at_all_items_finds(database, words, prefix, id_prefix, limit, examined):
    expected = [
        item_id
        for item_id, (title, path) in LISTINGS.items()
        if all(word.lower() in title.lower() for word in words)
        and path[: len(prefix)] == prefix
        and item_id.startswith(id_prefix)
    ]
    wanted = ItemFilter(words, prefix, id_prefix)
    assert found(database, wanted, limit=limit, examined=examined) == sorted(expected, key=str.encode)
