from __future__ import annotations

import pytest
from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import ItemState, PictureContent, PictureUri, Price
from ruiji_server.store.catalogue import CatalogueStore, Rejection, UpsertKind
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.requests import REQUEST_MEMORY_S
from ruiji_server.store.schema import applied_requests
from sqlalchemy import update

from tests.support.catalogues import ENCODER_ID, an_item, png

OTHER_PICTURE = PictureContent(png((0, 0, 255)))


@pytest.fixture
def store(database: Database) -> CatalogueStore:
    return CatalogueStore(database)


def kinds(store: CatalogueStore, request_id: str, *batch) -> list[UpsertKind]:
    return [outcome.kind for outcome in store.upsert(request_id, request_id, batch).outcomes]


def test_an_item_is_created_then_updated_then_unchanged(store):
    assert kinds(store, "1", an_item()) == [UpsertKind.CREATED]
    assert kinds(store, "2", an_item(price=Price(900, "JPY"))) == [UpsertKind.UPDATED]
    assert kinds(store, "3", an_item(price=Price(900, "JPY"))) == [UpsertKind.UNCHANGED]


def test_an_item_reads_back_as_it_was_written(store):
    item = an_item("青い靴", title="ネイビーの靴", category_path=("靴", "スニーカー"), state=ItemState.SOLD)
    store.upsert("1", "", [item])
    stored = store.get("青い靴", include_picture=True)
    assert stored is not None
    assert stored.item == item
    assert stored.picture_sha256 == item.picture.digest()


def test_a_picture_comes_back_only_if_it_is_asked_for(store):
    store.upsert("1", "", [an_item()])
    assert store.get("a").item.picture is None


def test_an_update_without_a_picture_keeps_the_picture(store):
    store.upsert("1", "", [an_item()])
    assert kinds(store, "2", an_item(picture=None, title="New title")) == [UpsertKind.UPDATED]
    assert store.get("a", include_picture=True).item.picture == an_item().picture


def test_a_picture_that_moves_to_a_uri_leaves_no_bytes_behind(store):
    store.upsert("1", "", [an_item()])
    store.upsert("2", "", [an_item(picture=PictureUri("file:///pictures/a.png"))])
    assert store.get("a", include_picture=True).item.picture == PictureUri("file:///pictures/a.png")
    assert store.upsert("3", "", [an_item(picture=OTHER_PICTURE)]).outcomes[0].kind == UpsertKind.UPDATED
    assert store.get("a", include_picture=True).item.picture == OTHER_PICTURE


def test_a_new_item_without_a_picture_is_rejected_and_the_others_are_not(store):
    answer = store.upsert("1", "", [an_item("a", picture=None), an_item("b")])
    assert [outcome.kind for outcome in answer.outcomes] == [UpsertKind.REJECTED, UpsertKind.CREATED]
    assert answer.outcomes[0].rejection.reason == Reason.PICTURE_MISSING
    assert store.get("a") is None


def test_what_was_rejected_at_the_door_comes_back_in_its_place(store):
    rejection = Rejection("x", "PRICE_MISSING", "an item needs a price", "price")
    answer = store.upsert("1", "", [an_item("a"), rejection, an_item("b")])
    assert [outcome.item_id for outcome in answer.outcomes] == ["a", "x", "b"]
    assert answer.outcomes[1].rejection == rejection


def test_a_repeated_request_is_answered_as_before_and_not_applied_again(store):
    first = store.upsert("same", "content", [an_item("a"), an_item("b", picture=None)])
    store.upsert("later", "", [an_item("a", title="Newer")])
    again = store.upsert("same", "content", [an_item("a"), an_item("b", picture=None)])
    assert again.replayed
    assert (again.outcomes, again.feed_position) == (first.outcomes, first.feed_position)
    assert store.get("a").item.title == "Newer"


def test_a_request_id_cannot_name_two_batches(store):
    store.upsert("same", "content", [an_item("a")])
    with pytest.raises(InvalidArgument) as caught:
        store.upsert("same", "other content", [an_item("b")])
    assert caught.value.reason == Reason.REQUEST_ID_REUSED
    assert store.get("b") is None


def test_every_change_moves_the_feed_and_nothing_else_does(store):
    assert store.upsert("1", "", [an_item("a"), an_item("b")]).feed_position == 2
    assert store.upsert("2", "", [an_item("a")]).feed_position == 2
    assert store.upsert("3", "", [an_item("a", title="x")]).feed_position == 3
    assert store.delete(["a", "nobody"]) == ([True, False], 4)
    assert store.delete(["a"]) == ([False], 4)


def test_a_deleted_item_is_gone_with_its_tasks(store, database):
    tasks = EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("formula", 128)
    store.upsert("1", "", [an_item("a")])
    store.delete(["a"])
    assert store.get("a") is None
    assert tasks.backlog().waiting == 0


def test_a_deleted_item_can_come_back(store):
    store.upsert("1", "", [an_item("a")])
    store.delete(["a"])
    assert kinds(store, "2", an_item("a")) == [UpsertKind.CREATED]


def test_what_was_acknowledged_is_there_for_another_process(store, store_url):
    store.upsert("1", "", [an_item("a")])
    other = open_database(store_url)
    assert CatalogueStore(other).get("a") is not None
    other.close()


def test_a_request_is_forgotten_when_it_is_too_old_to_be_repeated(store, database):
    store.upsert("old", "", [an_item("a")])
    store.upsert("recent", "", [an_item("b")])
    with database.write() as connection:
        long_ago = applied_requests.c.applied_at_us - (REQUEST_MEMORY_S + 1) * 1_000_000
        connection.execute(
            update(applied_requests).where(applied_requests.c.request_id == "old").values(applied_at_us=long_ago)
        )
    for number in range(20):
        store.upsert(f"another {number}", "", [an_item(f"c{number}")])
    assert store.upsert("recent", "", [an_item("b")]).replayed
    assert not store.upsert("old", "", [an_item("a")]).replayed
