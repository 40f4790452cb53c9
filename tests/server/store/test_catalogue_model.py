"""The store against a dictionary: whatever the order of calls, what was acknowledged is there."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ruiji_server.domain.items import Item, ItemState, PictureContent, Price
from ruiji_server.store.catalogue import CatalogueStore, UpsertKind
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import open_database
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.snapshot import EmbeddedItem, open_snapshot

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, clustered_vectors

ITEMS = st.builds(
    Item,
    item_id=st.sampled_from("abcd"),
    title=st.sampled_from(["shoe", "靴"]),
    price=st.builds(Price, st.integers(1, 3), st.just("JPY")),
    category_path=st.just(("Fashion",)),
    state=st.sampled_from(ItemState),
    picture=st.one_of(st.none(), st.builds(PictureContent, st.sampled_from([b"one", b"two"]))),
)
VECTORS = dict(zip(["one", "two"], clustered_vectors(2), strict=True))


def summary(item: EmbeddedItem) -> tuple[object, ...]:
    return item.price_minor, item.currency, item.category_path, item.state, item.vector.tobytes()


class StoreAgainstDictionary(RuleBasedStateMachine):
    def __init__(self, new_store_url: Callable[[], str]) -> None:
        super().__init__()
        self.database = open_database(new_store_url())
        self.store = CatalogueStore(self.database)
        self.tasks = EmbeddingTaskStore(self.database, ENCODER_ID)
        self.tasks.register_encoder("formula", DIMENSIONS)
        self.request_ids = map(str, itertools.count())
        self.items: dict[str, Item] = {}
        self.embedded: dict[str, bytes] = {}
        self.last: tuple[str, list[Item]] | None = None
        self.feed = FeedReader(self.database)
        self.followed: dict[str, EmbeddedItem] = {}
        self.position = 0

    def teardown(self) -> None:
        self.database.close()

    @rule(batch=st.lists(ITEMS, min_size=1, max_size=4, unique_by=lambda item: item.item_id))
    def upsert(self, batch: list[Item]) -> None:
        request_id = next(self.request_ids)
        outcomes = self.store.upsert(request_id, request_id, batch).outcomes
        for item, outcome in zip(batch, outcomes, strict=True):
            before = self.items.get(item.item_id)
            if before is None and item.picture is None:
                assert outcome.kind == UpsertKind.REJECTED
                continue
            picture = item.picture or before.picture
            after = Item(item.item_id, item.title, item.price, item.category_path, item.state, picture)
            expected = (
                UpsertKind.CREATED if before is None
                else UpsertKind.UNCHANGED if before == after
                else UpsertKind.UPDATED
            )  # fmt: skip
            assert outcome.kind == expected
            self.items[item.item_id] = after
        self.last = request_id, batch

    @precondition(lambda self: self.last is not None)
    @rule()
    def repeat_the_last_request(self) -> None:
        request_id, batch = self.last
        assert self.store.upsert(request_id, request_id, batch).replayed

    @rule(item_ids=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4))
    def delete(self, item_ids: list[str]) -> None:
        deleted, _ = self.store.delete(item_ids)
        assert deleted == [item_id in self.items for item_id in item_ids]
        for item_id in item_ids:
            self.items.pop(item_id, None)
            self.embedded.pop(item_id, None)
        self.last = None

    @rule(limit=st.integers(1, 4))
    def embed(self, limit: int) -> None:
        claimed = self.tasks.claim(limit, lease_s=3600.0)
        self.tasks.finish(
            [
                FinishedTask(task.item_id, task.picture_sha256, VECTORS[task.picture.content.decode()])
                for task in claimed
            ]
        )
        self.embedded.update({task.item_id: task.picture.content for task in claimed})

    def follow(self) -> None:
        while True:
            changed, position = self.feed.changed_items(ENCODER_ID, self.position, limit=3)
            if position == self.position:
                return
            self.position = position
            for change in changed:
                self.followed.pop(change.item_id, None)
                if change.item is not None:
                    self.followed[change.item_id] = change.item

    @invariant()
    def every_item_is_as_acknowledged(self) -> None:
        for item_id in "abcd":
            stored = self.store.get(item_id, include_picture=True)
            assert (stored.item if stored else None) == self.items.get(item_id)

    @invariant()
    def each_item_is_embedded_or_waits_and_the_feed_tells_the_same(self) -> None:
        current = {
            item_id for item_id, item in self.items.items() if self.embedded.get(item_id) == item.picture.content
        }
        with open_snapshot(self.database, ENCODER_ID) as snapshot:
            assert {item.item_id for item in snapshot.items()} == current
            self.follow()
            assert {item_id: summary(item) for item_id, item in self.followed.items()} == {
                item.item_id: summary(item) for item in snapshot.items()
            }
        # A picture that changed and changed back may wait without need, never the other way round.
        assert self.tasks.backlog().waiting >= len(self.items) - len(current)


def test_the_store_agrees_with_a_dictionary_whatever_the_order_of_calls(new_store_url):
    run_state_machine_as_test(
        lambda: StoreAgainstDictionary(new_store_url),
        settings=settings(max_examples=15, stateful_step_count=15, deadline=None),
    )
