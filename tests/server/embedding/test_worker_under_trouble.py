"""The embedding worker where pictures are slow, leases end and things are away; on both databases, on real Triton."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest
from aiohttp import web
from ruiji_encoding.pictures import decode_picture
from ruiji_server.domain.items import PictureContent, PictureUri, Price
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.embedding.triton import TritonClient
from ruiji_server.embedding.worker import EmbeddingWorker, WorkerSettings
from ruiji_server.embedding.worker_settings import retry_pause_s
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import Backlog, EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.engine import Database, open_database

from tests.support.catalogues import an_item, png
from tests.support.tiny_encoder import tiny_embedding

pytestmark = pytest.mark.triton

QUICK = WorkerSettings(
    lanes=2, request_pictures=4, in_flight=12, lease_s=0.6, poll_s=0.1, retry_s=0.02, max_attempts=3, max_pause_s=0.2,
    stop_s=2.0,
)  # fmt: skip
DEADLINE_S = 60.0


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    database = open_database(store_url)
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> CatalogueStore:
    return CatalogueStore(database)


@pytest.fixture
def tasks(database: Database, tiny_manifest) -> EmbeddingTaskStore:
    tasks = EmbeddingTaskStore(database, tiny_manifest.encoder_id)
    tasks.register_encoder("tiny", 128)
    return tasks


@asynccontextmanager
async def working(tasks: EmbeddingTaskStore, url: str, pictures: PictureSource | None = None, settings=QUICK):
    """A worker that runs meanwhile, and is told to stop at the end."""
    stop = asyncio.Event()
    async with pictures or PictureSource() as source, TritonClient(url, timeout_s=10.0) as triton:
        running = asyncio.create_task(EmbeddingWorker(tasks, triton, source, settings).run(stop))
        try:
            yield running
        finally:
            stop.set()
            with suppress(asyncio.CancelledError):
                await running


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


def nothing_waits(tasks: EmbeddingTaskStore):
    return lambda: tasks.backlog().waiting == 0


def loopback() -> PictureSource:
    return PictureSource(prefixes=["http://"], private=["127.0.0.1"])


def embedding_of(content: bytes) -> np.ndarray:
    return tiny_embedding(decode_picture(content)[None])[0]


def slow_picture(picture_server, content: bytes, seconds: float) -> PictureUri:
    async def answer(_request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.Response(body=content)

    picture_server.handlers["/slow.png"] = answer
    return PictureUri(picture_server.url("/slow.png"))


async def test_a_picture_that_takes_longer_than_a_lease_stays_with_its_worker(store, tasks, triton_url, picture_server):
    store.upsert("1", "", [an_item(picture=slow_picture(picture_server, png(), 4 * QUICK.lease_s))])
    async with working(tasks, triton_url, loopback()), working(tasks, triton_url, loopback()):
        await until(nothing_waits(tasks))
    assert picture_server.asked == ["/slow.png"], "fetched once, by one of the two"


async def test_the_pictures_of_a_worker_that_died_go_to_another(store, tasks, triton_url, picture_server):
    store.upsert("1", "", [an_item("a"), an_item("b")])
    assert len(tasks.claim(2, QUICK.lease_s)) == 2, "and never heard of again"
    async with working(tasks, triton_url):
        await until(nothing_waits(tasks))
    assert len(tasks.vector("a")) == 128


async def test_a_slow_picture_does_not_hold_the_others_up(store, tasks, triton_url, picture_server):
    slow = slow_picture(picture_server, png(), DEADLINE_S)
    store.upsert("1", "", [an_item("slow", picture=slow), *(an_item(f"item-{n}") for n in range(30))])
    async with working(tasks, triton_url, loopback(), replace(QUICK, stop_s=0.1)):
        await until(lambda: tasks.backlog().waiting == 1)
    # Told to stop, the worker gave it back instead of waiting for it.
    assert [task.item_id for task in tasks.claim(10, 60.0)] == ["slow"]


async def test_a_worker_told_to_stop_while_it_renews_gives_back_what_it_renewed(
    store, tasks, triton_url, picture_server, monkeypatch
):
    renew, renewing = tasks.renew, threading.Event()

    def slow_renew(*arguments):
        renewing.set()
        renewed = renew(*arguments)
        time.sleep(0.3)
        return renewed

    monkeypatch.setattr(tasks, "renew", slow_renew)
    store.upsert("1", "", [an_item("slow", picture=slow_picture(picture_server, png(), DEADLINE_S))])
    async with working(tasks, triton_url, loopback(), replace(QUICK, lease_s=3.0, stop_s=0.0)):
        await until(lambda: picture_server.asked)
        await until(renewing.is_set)
    assert [task.item_id for task in tasks.claim(10, 60.0)] == ["slow"]


async def test_a_picture_that_was_replaced_while_it_was_fetched_is_embedded_as_it_is_now(
    store, tasks, triton_url, picture_server
):
    newer = png((1, 250, 3))
    store.upsert("1", "", [an_item(picture=slow_picture(picture_server, png((250, 1, 3)), 1.0))])
    async with working(tasks, triton_url, loopback()):
        await until(lambda: picture_server.asked)
        store.upsert("2", "", [an_item(picture=PictureContent(newer))])
        await until(nothing_waits(tasks))
        await asyncio.sleep(1.0)
    np.testing.assert_allclose(tasks.vector("a"), embedding_of(newer), atol=1e-5)


async def test_a_changed_price_fetches_nothing(store, tasks, triton_url, picture_server):
    uri = PictureUri(picture_server.answers("/a.png", web.Response(body=png())))
    store.upsert("1", "", [an_item(picture=uri)])
    async with working(tasks, triton_url, loopback()):
        await until(nothing_waits(tasks))
        store.upsert("2", "", [an_item(picture=uri, price=Price(7, "JPY"))])
        await until(nothing_waits(tasks))
    assert picture_server.asked == ["/a.png"]


async def test_what_may_pass_is_tried_again_and_what_may_not_is_parked_with_its_reason(
    store, tasks, triton_url, picture_server
):
    passing = picture_server.answers("/passing", 503, web.Response(body=png()))
    uris = {
        "passing": passing,
        "gone": picture_server.answers("/gone", 410),
        "never": picture_server.answers("/never", 500),
        "page": picture_server.answers("/page", web.Response(body=b"<html>not a picture</html>")),
        "inside": picture_server.url("/secret", "127.0.0.2"),
    }
    store.upsert("1", "", [an_item(item_id, picture=PictureUri(uri)) for item_id, uri in uris.items()])
    async with working(tasks, triton_url, loopback()):
        await until(nothing_waits(tasks))
    assert {item_id: store.get(item_id).embeddings[0].reason for item_id in uris} == {
        "passing": None,
        "gone": "PICTURE_REFUSED",
        "never": "PICTURE_UNREACHABLE",
        "page": "PICTURE_UNREADABLE",
        "inside": "PICTURE_ADDRESS_REFUSED",
    }
    assert store.get("never").embeddings[0].attempts == QUICK.max_attempts
    assert picture_server.asked.count("/gone") == 1
    assert tasks.figures().parked == {
        "PICTURE_ADDRESS_REFUSED": 1, "PICTURE_REFUSED": 1, "PICTURE_UNREACHABLE": 1, "PICTURE_UNREADABLE": 1,
    }  # fmt: skip


async def test_writers_that_outrun_embedding_fill_the_store_and_not_the_worker(store, tasks, database):
    store.upsert("1", "", [an_item(f"item-{n:03d}") for n in range(200)])
    # Nobody answers there: whatever was claimed goes back, and nothing piles up.
    async with working(tasks, "127.0.0.1:1"):
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert 200 - len(tasks.claim(200, 0.0)) <= QUICK.in_flight
    assert tasks.backlog() == Backlog(waiting=200, parked=0)


async def test_large_pictures_are_claimed_one_at_a_time(store, tasks, triton_url):
    noise = np.random.default_rng(0)
    large = [png() + noise.bytes(300_000) for _ in range(6)]
    store.upsert("1", "", [an_item(f"item-{n}", picture=PictureContent(large[n])) for n in range(6)])
    assert len(tasks.claim(6, 0.0, max_bytes=700_000)) == 2
    assert len(tasks.claim(6, 0.0, max_bytes=1)) == 1, "or it would never be embedded"
    async with working(tasks, triton_url, settings=replace(QUICK, inline_bytes=1)):
        await until(nothing_waits(tasks))


async def test_a_lease_that_was_lost_settles_nothing(store, tasks):
    store.upsert("1", "", [an_item()])
    [slow] = tasks.claim(1, 0.0)
    [quick] = tasks.claim(1, 60.0)
    assert tasks.renew([slow.lease], 60.0) == []
    gave_up = FailedTask("a", slow.picture_sha256, "PICTURE_UNREADABLE", "cut short", None, slow.lease_until_us)
    tasks.fail([gave_up])
    tasks.release([slow])
    assert tasks.claim(1, 60.0) == [], "it is still the other's"
    [renewed] = tasks.renew([quick.lease], 120.0)
    assert renewed.lease_until_us > quick.lease_until_us
    tasks.finish([FinishedTask("a", quick.picture_sha256, embedding_of(png()))])
    assert tasks.renew([renewed], 60.0) == []
    assert tasks.backlog() == Backlog(waiting=0, parked=0)


def test_parked_pictures_are_requeued_by_reason_and_by_item(store, tasks):
    store.upsert("1", "", [an_item(item_id) for item_id in "abcd"])
    reasons = {
        "a": "PICTURE_UNREACHABLE",
        "b": "PICTURE_UNREACHABLE",
        "c": "PICTURE_UNREADABLE",
        "d": "PICTURE_REFUSED",
    }
    tasks.fail(
        [
            FailedTask(task.item_id, task.picture_sha256, reasons[task.item_id], "", None)
            for task in tasks.claim(4, 60.0)
        ]
    )
    assert tasks.parked_by_reason("PICTURE_UNREACHABLE") == {"PICTURE_UNREACHABLE": 2}
    assert tasks.unpark("PICTURE_UNREACHABLE", ["a", "c"]) == 1
    assert tasks.unpark("PICTURE_UNREADABLE") == 1
    assert {task.item_id for task in tasks.claim(10, 60.0)} == {"a", "c"}
    assert tasks.unpark(item_ids=["x"]) == 0
    assert tasks.unpark() == 2


def test_the_backlogs_figures_tell_what_waits_how_long_and_what_was_given_up(store, tasks):
    store.upsert("1", "", [an_item(item_id) for item_id in "abc"])
    first, second, _ = tasks.claim(3, 0.0)
    tasks.fail([FailedTask(first.item_id, first.picture_sha256, "PICTURE_UNREACHABLE", "", 3600.0)])
    tasks.fail([FailedTask(second.item_id, second.picture_sha256, "PICTURE_REFUSED", "", None)])
    figures = tasks.figures()
    assert (figures.waiting, figures.retrying, figures.parked) == (2, 1, {"PICTURE_REFUSED": 1})
    assert figures.oldest_due_s > 0.0


def test_pauses_double_are_spread_and_end():
    rng = np.random.default_rng(0)
    settings = WorkerSettings(retry_s=2.0, max_retry_s=600.0, max_attempts=30)
    for attempts in range(1, 30):
        middle_s = min(2.0 * 2 ** (attempts - 1), 1e9)
        pauses = [retry_pause_s(settings, attempts, None, rng) for _ in range(50)]
        assert all(min(middle_s / 2, 600.0) <= pause <= min(middle_s * 1.5, 600.0) for pause in pauses)
        assert len(set(pauses)) > 1 or pauses[0] == 600.0
    assert retry_pause_s(settings, 1, 60.0, rng) == 60.0, "as the picture's server asks"
    assert retry_pause_s(settings, 1, 86_400.0, rng) == 600.0, "within reason"
    assert retry_pause_s(settings, 30, None, rng) is None


def test_a_worker_that_could_never_fill_a_request_is_refused():
    with pytest.raises(ValueError, match="raise in_flight"):
        WorkerSettings(in_flight=7, request_pictures=8)
