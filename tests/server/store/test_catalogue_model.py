"""The store against a dictionary: whatever the order of calls, what was acknowledged is there."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ruiji_server.domain.items import Item, ItemState, PictureContent, Price
from ruiji_server.store.catalogue import CatalogueStore, UpsertKind
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import open_database
from ruiji_server.store.snapshot import open_snapshot

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


class StoreAgainstDictionary(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = open_database(str(Path(self.folder.name) / "store.sqlite"), create=True)
        self.store = CatalogueStore(self.database)
        self.tasks = EmbeddingTaskStore(self.database, ENCODER_ID)
        self.tasks.register_encoder("formula", DIMENSIONS)
        self.request_ids = map(str, itertools.count())
        self.items: dict[str, Item] = {}
        self.embedded: dict[str, bytes] = {}
        self.last: tuple[str, list[Item]] | None = None

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

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

    @invariant()
    def every_item_is_as_acknowledged(self) -> None:
        for item_id in "abcd":
            stored = self.store.get(item_id, include_picture=True)
            assert (stored.item if stored else None) == self.items.get(item_id)

    @invariant()
    def each_item_is_embedded_or_waits(self) -> None:
        current = {
            item_id for item_id, item in self.items.items() if self.embedded.get(item_id) == item.picture.content
        }
        with open_snapshot(self.database, ENCODER_ID) as snapshot:
            assert {item.item_id for item in snapshot.items()} == current
        # A picture that changed and changed back may wait without need, never the other way round.
        assert self.tasks.backlog().waiting >= len(self.items) - len(current)


StoreAgainstDictionary.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
TestStoreAgainstDictionary = StoreAgainstDictionary.TestCase
