"""The embedding worker with a real store and a real Triton."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from ruiji_encoding.pictures import decode_picture
from ruiji_server.domain.errors import Unavailable
from ruiji_server.domain.items import PictureContent, PictureUri
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.embedding.triton import TritonClient
from ruiji_server.embedding.worker import EmbeddingWorker, WorkerSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import Backlog, EmbeddingTaskStore

from tests.support.catalogues import an_item, png
from tests.support.tiny_encoder import tiny_embedding

pytestmark = pytest.mark.triton

FAST = WorkerSettings(lanes=3, request_pictures=8, poll_s=0.02, retry_s=0.01, max_attempts=3, max_pause_s=0.1)


def colour_of(number: int) -> tuple[int, int, int]:
    return (number * 7 % 256, number * 31 % 256, number * 101 % 256)


async def drain(tasks: EmbeddingTaskStore, triton_url: str, pictures: PictureSource | None = None) -> int:
    done: list[int] = []
    async with TritonClient(triton_url) as triton:
        tasks.register_encoder("tiny", await triton.dimensions(tasks.encoder_id))
        worker = EmbeddingWorker(tasks, triton, pictures or PictureSource(None), FAST, done.append)
        await worker.run_until_idle()
    return sum(done)


@pytest.fixture
def tasks(database, tiny_manifest) -> EmbeddingTaskStore:
    return EmbeddingTaskStore(database, tiny_manifest.encoder_id)


async def test_every_picture_gets_the_encoders_embedding(database, tasks, triton_url):
    pictures = {f"item-{n:03d}": png(colour_of(n), (64, 48)) for n in range(50)}
    items = [an_item(item_id, picture=PictureContent(content)) for item_id, content in pictures.items()]
    CatalogueStore(database).upsert("1", "", items)
    assert await drain(tasks, triton_url) == 50
    for item_id, content in pictures.items():
        expected = tiny_embedding(decode_picture(content)[None])[0]
        np.testing.assert_allclose(tasks.vector(item_id), expected, atol=1e-5)


async def test_a_bad_picture_is_parked_and_does_not_stop_the_others(database, tasks, triton_url):
    cut_short = png((1, 2, 3), (300, 300))[:200]
    batch = [an_item("bad", picture=PictureContent(cut_short)), an_item("good")]
    CatalogueStore(database).upsert("1", "", batch)
    assert await drain(tasks, triton_url) == 2
    assert tasks.backlog() == Backlog(waiting=0, parked=1)
    [status] = CatalogueStore(database).get("bad").embeddings
    assert status.reason == "PICTURE_UNREADABLE"
    assert len(tasks.vector("good")) == 128


async def test_a_picture_that_is_not_there_is_tried_again_and_then_given_up(database, tasks, triton_url, tmp_path):
    missing = PictureUri((tmp_path / "missing.png").as_uri())
    CatalogueStore(database).upsert("1", "", [an_item(picture=missing)])
    await drain(tasks, triton_url, PictureSource(tmp_path))
    [status] = CatalogueStore(database).get("a").embeddings
    assert (status.parked, status.reason, status.attempts) == (True, "PICTURE_UNREACHABLE", 3)
    (tmp_path / "missing.png").write_bytes(png())
    tasks.unpark()
    await drain(tasks, triton_url, PictureSource(tmp_path))
    assert tasks.backlog() == Backlog(waiting=0, parked=0)


async def test_a_picture_outside_the_allowed_folder_is_never_read(database, tasks, triton_url, tmp_path):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    sneaky = PictureUri(f"file://{tmp_path}/allowed/../secret.png")
    CatalogueStore(database).upsert("1", "", [an_item(picture=sneaky)])
    await drain(tasks, triton_url, PictureSource(tmp_path / "allowed"))
    assert tasks.backlog() == Backlog(waiting=0, parked=1)


async def test_while_triton_is_away_nothing_is_given_up(database, tasks, triton_url):
    CatalogueStore(database).upsert("1", "", [an_item("a"), an_item("b")])
    tasks.register_encoder("tiny", 128)
    stop = asyncio.Event()
    async with TritonClient("127.0.0.1:1", timeout_s=1.0) as nobody:
        lost = asyncio.create_task(EmbeddingWorker(tasks, nobody, PictureSource(None), FAST).run(stop))
        await asyncio.sleep(0.5)
        stop.set()
        await lost
    assert tasks.backlog() == Backlog(waiting=2, parked=0)
    assert await drain(tasks, triton_url) == 2


async def test_several_workers_share_the_work(database, tasks, triton_url):
    items = [an_item(f"item-{n:03d}", picture=PictureContent(png(colour_of(n)))) for n in range(60)]
    CatalogueStore(database).upsert("1", "", items)
    tasks.register_encoder("tiny", 128)
    shares = await asyncio.gather(drain(tasks, triton_url), drain(tasks, triton_url))
    assert sum(shares) == 60


async def test_an_unknown_encoder_is_unavailable(triton_url):
    async with TritonClient(triton_url) as triton:
        with pytest.raises(Unavailable, match="enc-ffffffffffffffff"):
            await triton.dimensions("enc-ffffffffffffffff")
