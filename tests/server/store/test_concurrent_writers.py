"""Many writers at once: nothing is lost, nobody waits for ever, and a reader of the feed misses no commit."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item, PictureContent, Price
from ruiji_server.store import catalogue
from ruiji_server.store import encoders as encoder_module
from ruiji_server.store.catalogue import CatalogueStore, UpsertKind
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.engine import Database, open_database
from ruiji_server.store.feed import FeedEntry, FeedReader, append_changes
from ruiji_server.store.feed_watch import watch_feed
from ruiji_server.store.schema import embedding_tasks, embeddings, feed, item_pictures, items
from ruiji_server.store.snapshot import open_snapshot
from sqlalchemy import func, select

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, an_item

OTHER_ENCODER_ID = "enc-ffffffffffffffff"
VECTOR = np.eye(1, DIMENSIONS, dtype=np.float32)[0]
LONG_S = 30.0

Result = TypeVar("Result")


@pytest.fixture
def writers(database: Database) -> int:
    """SQLite's take turns; PostgreSQL's work side by side."""
    return 6 if database.engine.dialect.name == "sqlite" else 24


def side_by_side(count: int, work: Callable[[int], Result]) -> list[Result]:
    """Run the work in as many threads, and return what each returned or raise what one raised."""
    with ThreadPoolExecutor(count) as pool:
        return [running.result() for running in [pool.submit(work, number) for number in range(count)]]


def tail(database: Database, until: Callable[[], bool], rng: np.random.Generator) -> list[FeedEntry]:
    """Read the feed as it grows, a few changes at a time, until told to stop and there is no more."""
    reader, position, seen = FeedReader(database), 0, []
    with watch_feed(database) as watch:
        while True:
            stopping = until()
            if not watch.wait(position, timeout_s=0.0 if stopping else 0.1):
                if stopping:
                    return seen
                continue
            entries, position = reader.changes_since(position, int(rng.integers(1, 8)))
            seen += entries


def test_a_tailing_reader_misses_no_commit(database, writers):
    rounds = 12
    rngs = np.random.default_rng(0).spawn(writers + 2)
    done: list[int] = []

    def write(number: int) -> tuple[dict[int, str], int]:
        try:
            return write_all(number)
        finally:
            done.append(number)

    def write_all(number: int) -> tuple[dict[int, str], int]:
        rng, committed, abandoned = rngs[number], {}, 0
        for turn in range(rounds):
            item_ids = [f"{number}-{turn}-{part}" for part in range(rng.integers(1, 4))]
            time.sleep(rng.exponential(0.004))
            with database.write() as connection:
                # From here on the transaction is open; some are open for long before they number their changes.
                connection.execute(select(func.count()).select_from(items))
                time.sleep(rng.exponential(0.004))
                positions = append_changes(connection, item_ids)
                time.sleep(rng.exponential(0.002))
                if rng.random() < 0.25:
                    connection.rollback()
                    abandoned += 1
                    continue
            committed.update({position: item_id for item_id, position in positions.items()})
        return committed, abandoned

    def look(rng: np.random.Generator) -> list[tuple[int, int]]:
        """Whoever opens a snapshot must see all that is at or below its position."""
        looks = []
        while len(done) < writers:
            with database.read() as connection:
                end = connection.scalar(select(func.coalesce(func.max(feed.c.position), 0)))
                time.sleep(rng.exponential(0.005))
                looks.append((end, connection.scalar(select(func.count()).select_from(feed))))
        return looks

    with ThreadPoolExecutor(2) as readers:
        tailing = readers.submit(tail, database, lambda: len(done) == writers, rngs[-1])
        looking = readers.submit(look, rngs[-2])
        answers = side_by_side(writers, write)
        seen, looks = tailing.result(LONG_S), looking.result(LONG_S)

    committed = {position: item_id for positions, _ in answers for position, item_id in positions.items()}
    assert sum(abandoned for _, abandoned in answers) > 0
    assert {entry.position: entry.item_id for entry in seen} == committed
    assert all(before.position < after.position for before, after in pairwise(seen))
    ends = np.sort(np.array(list(committed)))
    assert all(count == np.searchsorted(ends, end, side="right") for end, count in looks)


def test_a_writer_that_is_killed_while_it_numbers_changes_leaves_a_gap_and_stalls_nobody(store_url, database):
    program = (
        "import sys\n"
        "from ruiji_server.store.engine import open_database\n"
        "from ruiji_server.store.feed import append_changes\n"
        "with open_database(sys.argv[1]).write() as connection:\n"
        "    append_changes(connection, ['lost'])\n"
        "    sys.stdout.write('numbered\\n')\n"
        "    sys.stdout.flush()\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, store_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "numbered\n"
        process.kill()
    CatalogueStore(database).upsert("1", "", [an_item("kept")])
    entries, _ = FeedReader(database).changes_since(0, 10)
    assert [entry.item_id for entry in entries] == ["kept"]


def test_a_request_that_comes_several_times_at_once_is_applied_once(database, writers):
    store = CatalogueStore(database)
    batch = [an_item(item_id) for item_id in "abc"]
    answers = side_by_side(writers, lambda _: store.upsert("same", "content", batch))
    assert sum(not answer.replayed for answer in answers) == 1
    assert len({(answer.outcomes, answer.feed_position) for answer in answers}) == 1
    assert {outcome.kind for outcome in answers[0].outcomes} == {UpsertKind.CREATED}


@pytest.mark.parametrize("rounds", [3, 0], ids=["side by side", "one alone after the other"])
def test_items_that_several_writers_make_at_once_are_made_by_one_and_updated_by_the_others(
    database, writers, rounds, monkeypatch
):
    monkeypatch.setattr(catalogue, "_ROUNDS", rounds)
    store = CatalogueStore(database)

    def write(number: int) -> list[UpsertKind]:
        order = np.random.default_rng(number).permutation(list("abcdefgh"))
        batch = [an_item(str(item_id), title=str(number)) for item_id in order]
        answer = store.upsert(str(number), "", batch)
        return [outcome.kind for outcome in answer.outcomes]

    kinds = [kind for kinds in side_by_side(writers, write) for kind in kinds]
    assert kinds.count(UpsertKind.CREATED) == 8
    assert kinds.count(UpsertKind.UPDATED) == 8 * (writers - 1)


def test_no_task_is_claimed_twice(database, writers):
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, ENCODER_ID)
    tasks.register_encoder("formula", DIMENSIONS)
    store.upsert("1", "", [an_item(f"item-{number}") for number in range(100)])

    def claim_all(_: int) -> list[str]:
        claimed = []
        while tasks_now := tasks.claim(7, 60.0):
            claimed += [task.item_id for task in tasks_now]
        return claimed

    claimed = [item_id for item_ids in side_by_side(min(writers, 8), claim_all) for item_id in item_ids]
    assert len(claimed) == len(set(claimed)) == 100


class Traffic:
    """Writers, a deleter, workers and a new encoder, all on the same few items; remembers what was acknowledged."""

    def __init__(self, database: Database, turns: int) -> None:
        self.store = CatalogueStore(database)
        self.database = database
        self.turns = turns
        self.acknowledged: list[tuple[int, str, Item | None]] = []
        self.writers_done = 0
        self.workers_done = 0

    def write(self, number: int) -> None:
        """Make, change and delete items."""
        try:
            self._write(number)
        finally:
            self.writers_done += 1

    def embed(self, encoder_id: str, seed: int, until: Callable[[], bool]) -> None:
        """Embed items, give up on some, drop others."""
        try:
            self._embed(encoder_id, seed, until)
        finally:
            self.workers_done += 1

    def _write(self, number: int) -> None:
        rng = np.random.default_rng(number)
        for turn in range(self.turns):
            batch = [
                an_item(
                    str(item_id),
                    title=f"{number}-{turn}",
                    price=Price(int(rng.integers(1, 4)), "JPY"),
                    picture=PictureContent(bytes([rng.integers(3)])) if rng.random() < 0.7 else None,
                )
                for item_id in rng.permutation(list("abcdefghij"))[: rng.integers(1, 8)]
            ]
            answer = self.store.upsert(f"{number}-{turn}", "", batch)
            self.acknowledged += [
                (answer.feed_position, outcome.item_id, item)
                for item, outcome in zip(batch, answer.outcomes, strict=True)
                if outcome.kind in {UpsertKind.CREATED, UpsertKind.UPDATED}
            ]
            if rng.random() < 0.3:
                item_ids = [str(item_id) for item_id in rng.permutation(list("abcdefghij"))[:3]]
                deleted, position = self.store.delete(item_ids)
                self.acknowledged += [
                    (position, item_id, None) for item_id, was in zip(item_ids, deleted, strict=True) if was
                ]

    def _embed(self, encoder_id: str, seed: int, until: Callable[[], bool]) -> None:
        rng, tasks = np.random.default_rng(seed), EmbeddingTaskStore(self.database, encoder_id)
        tasks.register_encoder("formula", DIMENSIONS)
        while not until():
            claimed = rng.permutation(np.array(tasks.claim(int(rng.integers(1, 6)), 0.02), dtype=object)).tolist()
            fate = rng.random()
            if fate < 0.6:
                tasks.finish([FinishedTask(task.item_id, task.picture_sha256, VECTOR) for task in claimed])
            elif fate < 0.8:
                tasks.release(claimed)
            else:
                pause_s = None if fate < 0.9 else 0.0
                tasks.fail(
                    [
                        FailedTask(task.item_id, task.picture_sha256, Reason.PICTURE_UNREADABLE, "no", pause_s)
                        for task in claimed
                    ]
                )
                tasks.unpark()

    def follow(self, until: Callable[[], bool]) -> dict[str, bytes]:
        """Return the catalogue as a reader of the feed has it in the end."""
        reader, position, known = FeedReader(self.database), 0, {}
        with watch_feed(self.database) as watch:
            while watch.wait(position, timeout_s=0.0 if until() else 0.1) or not until():
                changed, position = reader.changed_items(ENCODER_ID, position, limit=5)
                for change in changed:
                    known.pop(change.item_id, None)
                    if change.item is not None:
                        known[change.item_id] = (change.item.price_minor, change.item.vector.tobytes())
        return known


def test_writers_deleters_and_workers_on_the_same_items_neither_deadlock_nor_lose_anything(
    database, writers, monkeypatch
):
    monkeypatch.setattr(encoder_module, "_TASKS_AT_ONCE", 2)
    workers = [ENCODER_ID, ENCODER_ID, OTHER_ENCODER_ID, OTHER_ENCODER_ID]
    count = max(4, writers // 3)
    traffic = Traffic(database, turns=20)
    EmbeddingTaskStore(database, ENCODER_ID).register_encoder("formula", DIMENSIONS)

    def work(number: int) -> dict[str, bytes] | None:
        if number == 0:
            return traffic.follow(until=lambda: traffic.writers_done == count and traffic.workers_done == len(workers))
        if number <= len(workers):
            traffic.embed(workers[number - 1], number, until=lambda: traffic.writers_done == count)
        else:
            traffic.write(number)
        return None

    followed, *_ = side_by_side(1 + len(workers) + count, work)

    final = {item_id: item for _, item_id, item in sorted(traffic.acknowledged, key=lambda entry: entry[0])}
    for item_id, item in final.items():
        stored = traffic.store.get(item_id)
        assert (stored.item.title if stored else None) == (item.title if item else None)
    assert_whole(database)
    with open_snapshot(database, ENCODER_ID) as snapshot:
        assert followed == {item.item_id: (item.price_minor, item.vector.tobytes()) for item in snapshot.items()}


def assert_whole(database: Database) -> None:
    """Every row belongs to an item, and every item is embedded or waits to be, for each encoder."""
    with database.read() as connection:
        known = {row.item_id: row for row in connection.execute(select(items))}
        for table in (item_pictures, embeddings, embedding_tasks):
            assert set(connection.scalars(select(table.c.item_id))) <= set(known)
        inline = {item_id for item_id, row in known.items() if row.picture_uri is None}
        assert set(connection.scalars(select(item_pictures.c.item_id))) == inline
        settled = {
            tuple(row)
            for table in (embeddings, embedding_tasks)
            for row in connection.execute(select(table.c.encoder_id, table.c.item_id, table.c.picture_sha256))
        }
        assert settled >= {
            (encoder_id, item_id, row.picture_sha256)
            for encoder_id in (ENCODER_ID, OTHER_ENCODER_ID)
            for item_id, row in known.items()
        }
        newest = select(feed.c.item_id, func.max(feed.c.position)).where(feed.c.encoder_id.is_(None))
        last = dict(connection.execute(newest.group_by(feed.c.item_id)).all())
        assert {item_id: row.feed_position for item_id, row in known.items()} == {
            item_id: last[item_id] for item_id in known
        }


def test_an_encoder_registered_while_items_are_made_gets_a_task_for_each(store_url, database, writers, monkeypatch):
    monkeypatch.setattr(encoder_module, "_TASKS_AT_ONCE", 10)
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, ENCODER_ID)
    store.upsert("before", "", [an_item(f"before-{number}") for number in range(50)])

    def work(number: int) -> None:
        if number < 2:
            other = open_database(store_url)
            EmbeddingTaskStore(other, ENCODER_ID).register_encoder("formula", DIMENSIONS)
            other.close()
            return
        for turn in range(10):
            store.upsert(f"{number}-{turn}", "", [an_item(f"{number}-{turn}-{part}") for part in range(3)])

    side_by_side(8, work)
    assert tasks.backlog().waiting == store.count() == 50 + 6 * 10 * 3


def test_a_registration_that_was_cut_off_is_finished_by_the_next(database, monkeypatch):
    monkeypatch.setattr(encoder_module, "_TASKS_AT_ONCE", 2)
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, ENCODER_ID)
    store.upsert("1", "", [an_item(item_id) for item_id in "abcde"])
    given = encoder_module._give_tasks

    def interrupted() -> Iterator[bool]:
        yield given(database, ENCODER_ID)
        raise KeyboardInterrupt

    steps = interrupted()
    monkeypatch.setattr(encoder_module, "_give_tasks", lambda *_: next(steps))
    with pytest.raises(KeyboardInterrupt):
        tasks.register_encoder("formula", DIMENSIONS)
    assert tasks.backlog().waiting == 2
    monkeypatch.setattr(encoder_module, "_give_tasks", given)
    tasks.register_encoder("formula", DIMENSIONS)
    assert tasks.backlog().waiting == 5
